"""Two runs side by side: what became of each finding, since when their curves differ, what was set differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.config import Config
from trainvitals.engine import diagnose
from trainvitals.maths.curve_difference import CurveDifference, curve_difference
from trainvitals.model import Diagnosis, FindingOutcome, Run
from trainvitals.outcomes import outcomes
from trainvitals.signals import understand
from trainvitals.verification import Course, beyond_seed
from trainvitals.view import LossCurve, RunView

Setting = float | str | bool


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

    @property
    def beyond_seed(self) -> bool:
        """Whether both end further apart than two seeds of one healthy training do."""
        return self.difference is not None and beyond_seed(self.difference.before, self.difference.after)


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
        same_start: whether both begin with the same loss to the last digit, or the second goes on where the first was;
            else another seed alone may make them differ.
    """

    before: Diagnosis
    after: Diagnosis
    findings: tuple[FindingOutcome, ...]
    losses: tuple[LossOutcome, ...]
    settings: tuple[SettingChange, ...]
    same_start: bool = False


def compare(before: Run, after: Run, config: Config | None = None) -> Comparison:
    """What became of a run's findings in another run, and since when the two differ.

    Accepted findings are left out on both sides. One run each cannot tell what a change did from what another random
    seed does.

    Raises:
        ConfigError: as ``diagnose``.
    """
    config = config or Config()
    then, now = diagnose(before, config), diagnose(after, config)
    views = [RunView(run, understand(run, config.signals)) for run in (before, after)]
    losses = tuple(_losses(*views))
    course = Course(before, after, {loss.tag_before: loss.tag_after for loss in losses})
    settings = tuple(_settings(before, after))
    findings = outcomes(then, now, course.measured(then.findings))
    return Comparison(then, now, findings, losses, settings, course.same_start)


def _losses(before: RunView, after: RunView) -> Iterator[LossOutcome]:
    for loss in before.losses:
        namesakes = (other for other in after.losses if (other.split, other.suite) == (loss.split, loss.suite))
        other = next(namesakes, None)
        if other is not None:
            difference = curve_difference(_columns(loss), _columns(other))
            yield LossOutcome(loss.split, loss.suite, loss.tag, other.tag, difference)


def _columns(loss: LossCurve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(loss.recorded.step, np.float64), np.asarray(loss.recorded.value, np.float64)


def _settings(before: Run, after: Run) -> Iterator[SettingChange]:
    for name in sorted({*before.hyper_parameters, *after.hyper_parameters}):
        old, new = before.hyper_parameters.get(name), after.hyper_parameters.get(name)
        if old != new and not (old is not None and new is not None and str(old) == str(new)):
            yield SettingChange(name, old, new)
