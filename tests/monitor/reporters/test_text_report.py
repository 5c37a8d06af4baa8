"""The text report is what the golden files show: problem first, cause second, one action, what is unknown.

After a wanted change, ``python -m tests.monitor.reporters.test_text_report`` writes the golden files anew; read the
difference before committing it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, UNDETERMINED, forty

from trainvitals.maths.level_change import LevelChange
from trainvitals.model import (
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    FindingOutcome,
    MarkedChange,
    Marker,
    NotAssessed,
    Problem,
    Severity,
    Verdict,
    Verified,
    Verify,
)
from trainvitals.reporters.text_report import print_text

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, tuple[Sequence[Diagnosis], bool]] = {
    "sick": ([SICK], False),
    "sick_verbose": ([SICK], True),
    "healthy": ([HEALTHY], False),
    "undetermined": ([UNDETERMINED], False),
    "three_runs": ([SICK, HEALTHY, UNDETERMINED], False),
    "forty_runs": (forty(), False),
}


def rendered(diagnoses: Sequence[Diagnosis], *, verbose: bool = False, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=120, force_terminal=terminal, color_system="standard" if terminal else None, markup=False
    )
    print_text(diagnoses, console, verbose=verbose)
    return out.getvalue()


@pytest.mark.parametrize("name", CASES)
def test_the_report_is_what_the_golden_file_shows(name: str) -> None:
    diagnoses, verbose = CASES[name]
    assert rendered(diagnoses, verbose=verbose) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_piped_text_has_no_escape_sequences() -> None:
    assert "\x1b" not in rendered([SICK, HEALTHY, UNDETERMINED])


def test_a_terminal_gets_colours() -> None:
    assert "\x1b[" in rendered([SICK], terminal=True)


def test_one_run_fits_one_screen() -> None:
    assert len(rendered([SICK]).splitlines()) <= 24


def test_escapes_and_markup_in_names_are_shown_and_not_obeyed() -> None:
    hostile = "\x1b[31mred\x07 [bold]markup[/bold] \u202ereversed\r\nnext"
    finding = replace(PLATEAU, summary=hostile, evidence=(Evidence(hostile, hostile),), layers=(hostile,))
    run = replace(SICK, id=hostile, findings=(finding,), problems=(Problem("gap", hostile, hostile),))
    text = rendered([run], verbose=True)
    for character in ("\x1b", "\x07", "\u202e", "\r"):
        assert character not in text
    assert "[bold]markup[/bold]" in text
    assert "\\x1b[31mred\\x07" in text


def test_an_accepted_finding_is_counted_and_its_reason_shown() -> None:
    accepted = replace(PLATEAU, state="accepted", accepted_because="stopped on purpose")
    text = rendered([replace(HEALTHY, findings=(accepted,)), HEALTHY])
    assert "accepted: plateau (stopped on purpose)" in text
    assert "1 accepted finding" in text


def test_a_finding_that_is_the_cause_of_the_worst_is_not_told_twice() -> None:
    cause = replace(PLATEAU, code="GRD001", name="vanishing-gradients", causes=())
    run = replace(SICK, findings=(PLATEAU, cause))
    assert "ALSO" not in rendered([run])
    assert "ALSO   vanishing-gradients since" in rendered([run], verbose=True)


def test_code_of_the_first_suggestion_is_shown_where_it_is_short() -> None:
    (first, *_) = PLATEAU.interventions
    text = rendered([replace(SICK, findings=(replace(PLATEAU, interventions=(first,)),))])
    assert first.how.splitlines()[0] in text
    long = replace(first, how="\n".join(f"line_{number} = 1" for number in range(20)))
    text = rendered([replace(SICK, findings=(replace(PLATEAU, interventions=(long,)),))])
    assert "line_0" not in text
    assert "20 lines: --verbose" in text


def test_what_became_of_a_marked_change_is_told() -> None:
    held = Verified(
        Verify("train/loss", "down", 0.02, 200), ("lower-learning-rate",), True, LevelChange(2.3, 2.1, 0.01)
    )
    outcome = FindingOutcome("resolved", replace(PLATEAU, severity=Severity.WARNING), None, verified=(held,))
    change = MarkedChange(Marker(3000, "intervention", {"name": "lower-learning-rate"}), (outcome,))
    text = rendered([replace(HEALTHY, changes=(change,))])
    assert "CHANGED  at step 3,000: lower-learning-rate" in text
    assert "plateau resolved; train/loss down by 0.02: held, 2.3 → 2.1 (-0.20 ± 0.01)" in text


def test_further_findings_are_named_after_the_worst() -> None:
    second = replace(PLATEAU, code="GEN001", name="overfitting", severity=Severity.WARNING, confidence=0.7)
    text = rendered([replace(SICK, findings=(PLATEAU, second))])
    assert text.index("plateau since") < text.index("ALSO   overfitting since")


def _explained(finding: Finding, *causes: Cause, **changes: object) -> Diagnosis:
    return replace(SICK, findings=(replace(finding, causes=causes, **changes),))  # type: ignore[arg-type]


LOW = Cause("learning-rate-too-low", 0.7, ("updates are 2e-6",), (), "three times the rate")
NOISE = Cause("gradient-noise-dominates", 0.12, ("the noise is 60 batches",))
DEAD = Cause("dead-units", 0.001, (), ("at most 3 % are dormant",))


def test_the_next_cause_is_told_as_possible_and_what_a_number_rules_out_with_the_number() -> None:
    text = rendered([_explained(PLATEAU, LOW, NOISE, DEAD)])
    assert "WHY    learning-rate-too-low" in text
    assert "or       gradient-noise-dominates (possible): the noise is 60 batches" in text
    assert "decide   three times the rate" in text
    assert "not      dead-units (at most 3 % are dormant)" in text


def test_a_finding_that_explains_a_symptom_is_not_its_own_why() -> None:
    own = replace(LOW, confidence=0.9)
    diagnosis = _explained(PLATEAU, own, NOISE, DEAD, name="learning-rate-too-low", consequences=("plateau",))
    text = rendered([diagnosis])
    assert "WHY" not in text
    assert "expected gain over the next" in text
    assert "decide   three times the rate" in text
    assert "←" not in rendered([diagnosis] * 7)


def test_where_nothing_can_be_named_it_says_what_to_log() -> None:
    unknown = Evidence("why cannot be told from the loss alone; log update_ratio of each layer")
    text = rendered([_explained(PLATEAU, evidence=(*PLATEAU.evidence, unknown), severity=Severity.ERROR)])
    assert "WHY    cannot be told from the loss alone; log update_ratio of each layer" in text
    assert text.count("cannot be told") == 1
    assert "IF YOU CONTINUE  12,400 → 15,500: gain 0.000 ± 0.004" in text


def test_a_symptom_stands_before_the_finding_that_causes_it() -> None:
    surer = Finding("GRD001", "vanishing-gradients", Severity.WARNING, 0.97, "the gradient vanishes")
    text = rendered([replace(SICK, findings=(surer, PLATEAU))])
    assert text.splitlines()[0].split("   ")[1].startswith("plateau since step 3,100")
    assert "ALSO" not in text


def test_a_slow_run_says_why() -> None:
    slow = replace(HEALTHY, progress=replace(HEALTHY.progress, verdict=Verdict.SLOW, causes=(LOW, DEAD)))
    text = rendered([slow])
    assert "slow: next 3,000 steps should gain only 0.021 ± 0.006" in text
    assert "WHY    learning-rate-too-low" in text
    assert "not      dead-units" in text


def test_a_long_list_of_what_was_not_logged_is_cut() -> None:
    missing = tuple(NotAssessed("ACT001", f"rule-{index}", (f"signal{index}",), "log it") for index in range(7))
    assert "(not logged: signal0, signal1, signal2, signal3 and 3 more)" in rendered(
        [replace(SICK, not_assessed=missing)]
    )


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case, (runs, is_verbose) in CASES.items():
        (GOLDEN / f"{case}.txt").write_text(rendered(runs, verbose=is_verbose), encoding="utf-8")
