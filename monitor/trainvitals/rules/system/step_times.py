"""What a step takes, and which part of it: the series that the rules about time share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import Series, StepArray
from trainvitals.view import RunView

READS = (
    *("step_time", "throughput", tags.SAMPLES, tags.DATA_TIME_S, tags.COMMUNICATION_TIME_S),
    *(tags.FORWARD_TIME_S, tags.BACKWARD_TIME_S, tags.OPTIMIZER_TIME_S),
)
"""All that is asked for here."""

COMPUTATION = (tags.FORWARD_TIME_S, tags.BACKWARD_TIME_S, tags.OPTIMIZER_TIME_S)

STEP_TIME_LINE = 'writer.add_scalar("system/step_time_s", time.perf_counter() - began_s, step)'


@dataclass(frozen=True, slots=True, eq=False)
class StepTimes:
    """Times of steps, those of larger batches taken for as many as they replace.

    Args:
        tag: of the series. step: ``[T]``.
        value: ``[T]`` positive, in the unit of the log; what is a throughput has been turned over.
        covered: ``[T]`` steps since the record before, whose mean each is.
        parts: what waiting and computation take of it, ``[T]`` by tag, at the same steps; without those not recorded.
    """

    tag: str
    step: StepArray
    value: NDArray[np.float64]
    covered: NDArray[np.float64]
    parts: dict[str, NDArray[np.float64]]

    @property
    def computation(self) -> NDArray[np.float64] | None:
        """``[T]`` what the recorded step computed; None where that was not recorded."""
        known = [self.parts[tag] for tag in COMPUTATION if tag in self.parts]
        return np.asarray(np.sum(known, axis=0)) if len(known) > 1 else None


def step_times(view: RunView) -> StepTimes | None:
    """The step time, else the inverse of the throughput; None where neither was logged."""
    logged = view.signals.step_time
    tag = tags.STEP_TIME_S if tags.STEP_TIME_S in logged else next(iter(logged), None)
    turned = tag is None
    tag = next(iter(view.signals.throughput), None) if tag is None else tag
    if tag is None:
        return None
    series = view.series(tag).finite()
    series = series.take(series.value > 0)
    if len(series) < 2:
        return None
    value = np.asarray(series.value, np.float64)
    value = 1.0 / value if turned else value / _batch(view, series)
    covered = np.diff(series.step.astype(np.float64), prepend=np.nan)
    covered[0] = covered[1]
    return StepTimes(tag, series.step, value, covered, {} if turned else _parts(view, series))


def _batch(view: RunView, series: Series) -> NDArray[np.float64]:
    """``[T]`` samples a step over their median; ones where they were not counted."""
    counted = view.recorded(tags.SAMPLES)
    if counted is None or len(counted) < 3:
        return np.ones(len(series))
    grown = np.diff(np.asarray(counted.value, np.float64)) / np.diff(counted.step)
    if not bool(np.all(np.isfinite(grown) & (grown > 0))):
        return np.ones(len(series))
    return np.asarray(np.interp(series.step, counted.step[1:], grown) / np.median(grown))


def _parts(view: RunView, series: Series) -> dict[str, NDArray[np.float64]]:
    parts = {}
    for tag in (tags.DATA_TIME_S, tags.COMMUNICATION_TIME_S, *COMPUTATION):
        part = view.recorded(tag)
        finite = None if part is None else part.finite()
        if finite is not None and len(finite) > 1:
            parts[tag] = np.asarray(np.interp(series.step, finite.step, finite.value), np.float64)
    return parts
