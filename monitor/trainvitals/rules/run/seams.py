"""Where recording started again: is it the same training that goes on, or another one that starts over?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals.model import Restart, Series
from trainvitals.view import RunView

NEAR_BEGINNING = 0.05
"""Of the steps made before. A checkpoint is hardly ever taken that early, and who resumes one loses less than 5 %."""

POINTS_OF_A_LEVEL = 3
"""Points whose median is the level of the loss: the fewest that one outlier cannot move."""


@dataclass(frozen=True, slots=True)
class Seam:
    """One restart and what the loss did there.

    Args:
        restart: as it was read.
        near_beginning: whether the steps went back to (nearly) the first one.
        tag: the loss that was looked at; None where no loss was recorded on both sides.
        at_start, before, after: levels of that loss when the run began, just before the restart, and just after.
    """

    restart: Restart
    near_beginning: bool
    tag: str | None = None
    at_start: float | None = None
    before: float | None = None
    after: float | None = None

    @property
    def starts_over(self) -> bool:
        """Whether another training begins here: steps near the first one, and a loss closer to that of a new model."""
        if not self.near_beginning:
            return False
        if self.at_start is None or self.before is None or self.after is None:
            return True
        return abs(self.after - self.at_start) <= abs(self.after - self.before)


def seams(view: RunView) -> tuple[Seam, ...]:
    """Every restart of the run, in order."""
    loss = next(iter(view.losses), None)
    series = None if loss is None else view.run.series[loss.tag]
    backwards = [] if series is None else [int(index) for index in np.flatnonzero(np.diff(series.step) <= 0)]
    found = []
    for restart in view.restarts:
        first = view.run.first_step or 0
        near_beginning = restart.step <= restart.previous_step and restart.step - first <= NEAR_BEGINNING * (
            restart.previous_step - first
        )
        match = None if series is None else _match(series, backwards, restart)
        if series is None or match is None:
            found.append(Seam(restart, near_beginning))
            continue
        backwards.remove(match)
        levels = (_level(series, 0), _level(series, max(0, match + 1 - POINTS_OF_A_LEVEL)), _level(series, match + 1))
        found.append(Seam(restart, near_beginning, series.tag, *levels))
    return tuple(found)


def _match(series: Series, backwards: list[int], restart: Restart) -> int | None:
    """Index of the last point of the series before the restart."""
    for index in backwards:
        if series.step[index] <= restart.previous_step and series.step[index + 1] >= restart.step:
            return index
    return None


def _level(series: Series, begin: int) -> float | None:
    values = series.value[begin : begin + POINTS_OF_A_LEVEL]
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None
