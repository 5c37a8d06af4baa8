"""Two runs side by side: what became of each finding, since when their curves differ, what was set differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.config import Config
from trainvitals.engine import NOTHING_TO_JUDGE, diagnose
from trainvitals.identity import Level, likeness, unanswered
from trainvitals.maths.curve_difference import CurveDifference, curve_difference
from trainvitals.model import Diagnosis, Finding, Run, Status
from trainvitals.signals import understand
from trainvitals.view import LossCurve, RunView

Outcome = Literal["resolved", "unchanged", "better", "worse", "new", "unknown"]
Setting = float | str | bool


@dataclass(frozen=True, slots=True)
class FindingOutcome:
    """What became of one finding.

    Args:
        outcome: ``resolved`` it is not found any more, although it could have been; ``unknown`` it is not found, but
            that says nothing; ``new`` it was not found before; else by severity, then by likelihood in words.
        before, after: the finding in each run; None where it was not found.
        why: for ``unknown``, why it cannot be told.
    """

    outcome: Outcome
    before: Finding | None
    after: Finding | None
    why: str | None = None

    @property
    def finding(self) -> Finding:
        """The newer of the two."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class LossOutcome:
    """One loss in both runs.

    Args:
        split, suite: which loss; ``suite`` is ``""`` for the training loss and the unnamed validation set.
        tag_before, tag_after: what each run calls it.
        difference: None where the runs have too few steps in common.
    """

    split: Literal["train", "val"]
    suite: str
    tag_before: str
    tag_after: str
    difference: CurveDifference | None


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One hyper-parameter that differs; None where a run's log does not have it."""

    name: str
    before: Setting | None
    after: Setting | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Args:
        before, after: their diagnoses.
        findings: what became of each, the worst outcome first.
        losses: those that both runs have.
        settings: hyper-parameters that differ, by name.
    """

    before: Diagnosis
    after: Diagnosis
    findings: tuple[FindingOutcome, ...]
    losses: tuple[LossOutcome, ...]
    settings: tuple[SettingChange, ...]


_WORST_FIRST: tuple[Outcome, ...] = ("new", "worse", "unchanged", "unknown", "better", "resolved")


def compare(before: Run, after: Run, config: Config | None = None) -> Comparison:
    """What became of a run's findings in another run, and since when the two differ.

    Accepted findings are left out on both sides. One run each cannot tell what a change did from what another random
    seed does.

    Raises:
        ConfigError: as ``diagnose``.
    """
    config = config or Config()
    then, now = diagnose(before, config), diagnose(after, config)
    outcomes = sorted(_outcomes(then, now), key=lambda each: _WORST_FIRST.index(each.outcome))
    views = [RunView(run, understand(run, config.signals)) for run in (before, after)]
    return Comparison(then, now, tuple(outcomes), tuple(_losses(*views)), tuple(_settings(before, after)))


def _outcomes(before: Diagnosis, after: Diagnosis) -> Iterator[FindingOutcome]:
    left = _judged(after)
    for finding in _judged(before):
        same = _same(finding, left)
        if same is None:
            why = _why_unknown(finding, after)
            yield FindingOutcome("resolved" if why is None else "unknown", finding, None, why)
            continue
        left.remove(same)
        old, new = Level.of(finding), Level.of(same)
        yield FindingOutcome("unchanged" if old == new else "worse" if new > old else "better", finding, same)
    for finding in left:
        yield FindingOutcome("new", None, finding)


def _judged(diagnosis: Diagnosis) -> list[Finding]:
    return [finding for finding in diagnosis.open_findings if finding.name != NOTHING_TO_JUDGE]


def _same(finding: Finding, others: Sequence[Finding]) -> Finding | None:
    """The finding of the same rule that is about the same things; the only one counts, since tags may be renamed."""
    namesakes = [other for other in others if other.name == finding.name]
    return max(namesakes, key=lambda other: likeness(finding, other), default=None)


def _why_unknown(finding: Finding, after: Diagnosis) -> str | None:
    """Why the absence of a finding says nothing; None where it says that it is resolved."""
    explained_by = next((other.name for other in after.findings if finding.name in other.consequences), None)
    if explained_by is not None:
        return f"{explained_by} hides it"
    missing = next((rule.missing for rule in after.not_assessed if rule.name == finding.name), None)
    if missing is not None:
        return f"not logged: {', '.join(missing)}"
    if finding.name in unanswered(after):
        return "its rule failed"
    if after.status is Status.UNDETERMINED:
        return "too little to judge"
    if finding.first_step is not None and (after.last_step is None or after.last_step <= finding.first_step):
        return f"the run ends before step {finding.first_step:,}"
    return None


def _losses(before: RunView, after: RunView) -> Iterator[LossOutcome]:
    for loss in before.losses:
        namesakes = (other for other in after.losses if (other.split, other.suite) == (loss.split, loss.suite))
        other = next(namesakes, None)
        if other is not None:
            difference = curve_difference(_columns(loss), _columns(other))
            yield LossOutcome(loss.split, loss.suite, loss.tag, other.tag, difference)


def _columns(loss: LossCurve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(loss.curve.step, np.float64), np.asarray(loss.curve.value, np.float64)


def _settings(before: Run, after: Run) -> Iterator[SettingChange]:
    for name in sorted({*before.hyper_parameters, *after.hyper_parameters}):
        old, new = before.hyper_parameters.get(name), after.hyper_parameters.get(name)
        if old != new and not (old is not None and new is not None and str(old) == str(new)):
            yield SettingChange(name, old, new)
