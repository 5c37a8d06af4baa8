"""Two runs side by side, for a person: findings first, then since when the curves differ, then what was set."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from trainvitals.comparison import Comparison, LossOutcome, Setting
from trainvitals.model import Diagnosis, FindingOutcome, Outcome
from trainvitals.reporters import wording
from trainvitals.reporters.run_block import STATUS_STYLES
from trainvitals.reporters.visible import visible

# More settings than this are counted; the JSON has all.
SETTINGS_SHOWN = 12
LONGEST_SETTING = 40
INDENT = "  "

OUTCOME_STYLES: dict[Outcome, str] = {
    "new": "red",
    "worse": "red",
    "unchanged": "yellow",
    "unknown": "dim",
    "better": "green",
    "resolved": "green",
}


ANOTHER_START = "they begin differently: another seed alone may do as much as a factor of two; compare with one seed"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print how two runs compare."""
    for line in _lines(comparison):
        console.print(line, soft_wrap=not console.is_terminal)


def _lines(comparison: Comparison) -> Iterator[Text]:
    yield _head("before", comparison.before)
    yield _head("after", comparison.after)
    yield Text("FINDINGS", style="bold")
    for outcome in comparison.findings:
        yield _finding(outcome)
        for detail in wording.outcome_details(outcome):
            yield Text(f"{INDENT}{' ' * 10}{detail}", style="dim")
    if not comparison.findings:
        yield Text(f"{INDENT}none in either run")
    yield Text("CURVES", style="bold")
    for loss in comparison.losses:
        yield Text(f"{INDENT}{loss_sentence(loss, same_start=comparison.same_start)}")
    if not comparison.losses:
        yield Text(f"{INDENT}the runs have no loss in common", style="dim")
    if not comparison.same_start and comparison.losses:
        yield Text(f"{INDENT}{ANOTHER_START}", style="dim")
    yield Text("SETTINGS", style="bold")
    yield from _settings(comparison)


def _head(word: str, diagnosis: Diagnosis) -> Text:
    line = Text(f"{word:<7} ")
    line.append(wording.run_name(diagnosis), style="bold")
    line.append(f"  ● {wording.STATUS_WORDS[diagnosis.status]}", style=STATUS_STYLES[diagnosis.status])
    worst = wording.worst_open_finding(diagnosis)
    said = wording.progress_sentence(diagnosis) if worst is None else wording.finding_headline(worst)
    line.append(f"   {said}")
    return line


def _finding(outcome: FindingOutcome) -> Text:
    line = Text(INDENT)
    line.append(f"{outcome.outcome:<10}", style=OUTCOME_STYLES[outcome.outcome])
    line.append(f"{outcome.finding.severity:<8} {wording.finding_headline(outcome.finding)}")
    if outcome.why is not None:
        line.append(f": {visible(outcome.why)}", style="dim")
    elif outcome.outcome in ("worse", "better") and outcome.before is not None:
        line.append(f", was {outcome.before.severity}, {wording.finding_headline(outcome.before)}", style="dim")
    return line


def loss_sentence(loss: LossOutcome, *, same_start: bool) -> str:
    """``training loss: lower from about step 1,200 on; 2.31 → 2.1 (-9.1%) where both end``."""
    suite = f" {visible(loss.suite)}" if loss.suite else ""
    name = f"{'training' if loss.split == 'train' else 'validation'} loss{suite}"
    difference = loss.difference
    if difference is None:
        return f"{name}: too few steps in common to compare"
    levels = f"{_level(difference.before)} → {_level(difference.after)}"
    if 0 < difference.before < math.inf and 0 < difference.after < math.inf:
        levels += f" ({_ratio(difference.after / difference.before)})"
    if difference.since_step is None and loss.beyond_seed:
        return f"{name}: apart only where both end; {levels}"
    if difference.since_step is None:
        return f"{name}: no lasting difference beyond the noise; {levels} where both end"
    if not same_start and not loss.beyond_seed:
        return f"{name}: no difference beyond what another seed does; {levels} where both end"
    side = _side(difference.before, difference.after)
    return f"{name}: {side} from about step {wording.step(difference.since_step)} on; {levels} where both end"


def _side(before: float, after: float) -> str:
    if not (math.isfinite(before) and math.isfinite(after)):
        return "apart"
    return "lower" if after < before else "higher"


def _level(value: float) -> str:
    return "NaN" if math.isnan(value) else wording.number(value)


def _ratio(ratio: float) -> str:
    """``-15.9%``; beyond a factor of two, where percentages mislead, ``22 times``."""
    return f"{ratio - 1:+.1%}" if 0.5 <= ratio <= 2 else f"{ratio:.2g} times"


def _settings(comparison: Comparison) -> Iterator[Text]:
    for change in comparison.settings[:SETTINGS_SHOWN]:
        name = visible(change.name, longest=LONGEST_SETTING)
        yield Text(f"{INDENT}{name}: {setting_words(change.before)} → {setting_words(change.after)}")
    left = len(comparison.settings) - SETTINGS_SHOWN
    if left > 0:
        yield Text(f"{INDENT}{left} more: --format json", style="dim")
    if not comparison.settings:
        yield Text(f"{INDENT}the logs show no difference", style="dim")


def setting_words(value: Setting | None) -> str:
    """The value of a hyper-parameter, or that it was not logged."""
    if value is None:
        return "not logged"
    # Logs have whole numbers as floats, too, and sums of tenths with all their digits.
    return f"{value:.10g}" if isinstance(value, float) else visible(str(value), longest=LONGEST_SETTING)
