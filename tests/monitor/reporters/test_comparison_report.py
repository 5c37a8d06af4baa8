"""The comparison is what the golden file shows: findings first, then curves, then settings.

After a wanted change, ``python -m tests.monitor.reporters.test_comparison_report`` writes the golden file anew.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, SPIKES

from trainvitals.comparison import Comparison, LossOutcome, SettingChange
from trainvitals.maths.curve_difference import CurveDifference
from trainvitals.maths.level_change import LevelChange
from trainvitals.model import FindingOutcome, Moved, Severity, Verified, Verify
from trainvitals.reporters.comparison_report import loss_sentence, print_comparison, setting_words
from trainvitals.reporters.json_report import render_comparison

GOLDEN = Path(__file__).parent / "golden" / "comparison.txt"
WORSE = replace(SPIKES, severity=Severity.WARNING, confidence=0.9)
LOWER = LevelChange(2.31, 2.1, 0.01)
MOVED = Moved("grad_norm/0", LevelChange(0.0, 0.5, 0.25))
PROMISES = (
    Verified(Verify("train/loss", "down", 0.023, 200), ("lower-learning-rate",), True, LOWER),
    Verified(Verify("train/loss", "finite", 0.0, 200), ("clip-gradients",), None, None, "not logged"),
    Verified(Verify("val/loss", "down", 0.3, 200), ("more-data",), False, LOWER),
)
COMPARISON = Comparison(
    before=SICK,
    after=HEALTHY,
    findings=(
        FindingOutcome("new", None, replace(WORSE, name="diverging-loss")),
        FindingOutcome("worse", SPIKES, WORSE),
        FindingOutcome("unchanged", SPIKES, SPIKES),
        FindingOutcome("unknown", PLATEAU, None, "the run ends before step 3,100"),
        FindingOutcome("better", WORSE, SPIKES),
        FindingOutcome("resolved", PLATEAU, None, None, MOVED, PROMISES),
    ),
    losses=(
        LossOutcome("train", "", "train/loss", "loss", CurveDifference(1200, 3100, 2.31, 2.1, 0.004)),
        LossOutcome("val", "", "val/loss", "val/loss", CurveDifference(120, None, 2.4, 2.39, 0.02)),
        LossOutcome("val", "code", "val/code/loss", "val/code/loss", CurveDifference(120, 400, 0.1, 2.2, 0.02)),
        LossOutcome("val", "wiki", "val/wiki/loss", "val/wiki/loss", None),
    ),
    same_start=True,
    settings=(SettingChange("lr", 0.1, 0.01), SettingChange("note", None, "\x1b[31mred")),
)


def rendered(comparison: Comparison) -> str:
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, width=120, markup=False, highlight=False))
    return out.getvalue()


def test_the_comparison_is_what_the_golden_file_shows() -> None:
    assert rendered(COMPARISON) == GOLDEN.read_text(encoding="utf-8")


def test_nothing_to_tell_is_said() -> None:
    shown = rendered(Comparison(HEALTHY, HEALTHY, (), (), ()))
    for words in ("none in either run", "no loss in common", "no difference"):
        assert words in shown


def test_runs_that_begin_differently_show_no_difference_that_another_seed_could_make() -> None:
    shown = rendered(replace(COMPARISON, same_start=False))
    assert "training loss: no difference beyond what another seed does" in shown
    assert "validation loss code: higher from about step 400 on" in shown
    assert "another seed alone may do as much" in shown


def test_the_json_has_everything() -> None:
    document = json.loads(render_comparison(COMPARISON))
    assert [each["outcome"] for each in document["findings"]] == [each.outcome for each in COMPARISON.findings]
    assert document["losses"][0]["difference"]["since_step"] == 3100
    assert document["settings"][0] == {"name": "lr", "before": 0.1, "after": 0.01}
    assert document["before"]["status"] == "warning"
    assert document["same_start"] is True
    resolved = document["findings"][-1]
    assert resolved["moved"]["change"] == {"before": 0.0, "after": 0.5, "low": 0.25, "high": 0.75}
    assert [each["held"] for each in resolved["verified"]] == [True, None, False]


if __name__ == "__main__":
    GOLDEN.write_text(rendered(COMPARISON), encoding="utf-8")


def test_curves_that_part_at_the_very_end_are_not_said_to_be_alike() -> None:
    loss = LossOutcome("train", "", "loss", "loss", CurveDifference(1200, None, 1.38, 3.48e16, 0.1))
    for same_start in (True, False):
        said = loss_sentence(loss, same_start=same_start)
        assert said == "training loss: apart only where both end; 1.38 → 3.48e+16 (2.5e+16 times)"


def test_settings_are_as_short_as_they_are_exact() -> None:
    values = (0.1 + 0.2, 4.0, 1e-8, True, None, "a\x1b")
    assert [setting_words(value) for value in values] == ["0.3", "4", "1e-08", "True", "not logged", "a\\x1b"]
