"""What a list of runs shows of one: its diagnosis, where its loss stands, and the shape of its curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainvitals.best_loss import best_validation
from trainvitals.model import Diagnosis, FloatArray, Run
from trainvitals.signals import Signals
from trainvitals.view import LossCurve, RunView

SPARKLINE_VALUES = 60
"""More would be less than a pixel each."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a line.

    Args:
        diagnosis: what was found in it.
        last_loss, last_loss_step: the newest training loss, NaN where it is; of a run that has none, the newest
            validation loss. None without either.
        best_val, best_val_step: the validation loss where it was best, and the step; of several suites of the one that
            a finding names, else of the one to judge by.
        sparkline: the loss that was judged, up to ``SPARKLINE_VALUES`` values in order; NaN where it is not finite.
        grew_at_s: when its newest file was changed, in seconds since the epoch; NaN where no file tells.
    """

    diagnosis: Diagnosis
    last_loss: float | None = None
    last_loss_step: int | None = None
    best_val: float | None = None
    best_val_step: int | None = None
    sparkline: tuple[float, ...] = ()
    grew_at_s: float = math.nan


def summarise(run: Run, diagnosis: Diagnosis, grew_at_s: float) -> RunSummary:
    """The summary of a run, its tags understood as its diagnosis says."""
    signals = Signals(train_loss=diagnosis.signals.train_loss, val_loss=diagnosis.signals.val_loss)
    view = RunView(run, signals)
    judged = next((loss for loss in view.losses if loss.tag == diagnosis.progress.signal), None)
    shown = judged or next(iter(view.losses), None)
    last_loss, last_loss_step = _last(next(iter(view.losses), None))
    best = best_validation(view, diagnosis.open_findings)
    return RunSummary(
        diagnosis=diagnosis,
        last_loss=last_loss,
        last_loss_step=last_loss_step,
        best_val=None if best is None else best.value,
        best_val_step=None if best is None else best.step,
        sparkline=() if shown is None else sparkline(shown.recorded.value),
        grew_at_s=grew_at_s,
    )


def sparkline(value: FloatArray) -> tuple[float, ...]:
    """A curve in at most ``SPARKLINE_VALUES`` values.

    Each stretch of a long curve gives its smallest and its largest value in their order, so that no spike is lost; a
    stretch with a value that is not finite gives a NaN and the largest of the others.
    """
    finite = np.where(np.isfinite(value), value, np.nan).astype(np.float64)
    if len(finite) <= SPARKLINE_VALUES:
        return tuple(finite.tolist())
    stretches = np.array_split(finite, SPARKLINE_VALUES // 2)
    return tuple(number for stretch in stretches for number in _extremes(stretch))


def _extremes(stretch: FloatArray) -> tuple[float, float]:
    highest, other = int(stretch.argmax()), int(stretch.argmin())
    if np.isnan(stretch[highest]):
        # Both are the first NaN.
        is_nan = np.isnan(stretch)
        if is_nan.all():
            return math.nan, math.nan
        highest = int(np.nanargmax(stretch))
    first, second = sorted((highest, other))
    return float(stretch[first]), float(stretch[second])


def _last(loss: LossCurve | None) -> tuple[float | None, int | None]:
    if loss is None or not len(loss.recorded):
        return None, None
    return float(loss.recorded.value[-1]), int(loss.recorded.step[-1])
