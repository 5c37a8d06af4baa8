"""What the START events of a run make void: a process that starts again at a step records all from there on anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainvitals.eventfile.columns import HistogramColumns, SessionStart
    from trainvitals.formats.concurrency import Concurrency, Part
    from trainvitals.model import StepArray

NO_LIMIT = int(np.iinfo(np.int64).max)
"""No START event makes anything void."""


class Purge:
    """What the START events of a run make void in one of its parts: everything before them at their step or later.

    Args:
        starts: the START events of the part itself.
        limit_from_later: the smallest step of a START event in the later files that speak for this one.
    """

    def __init__(self, starts: Sequence[SessionStart], limit_from_later: int) -> None:
        self._row = np.array([start.row for start in starts], np.int64)
        self._wall_time = np.array([start.wall_time for start in starts], np.float64)
        steps = np.array([*(start.step for start in starts), limit_from_later], np.int64)
        self._limit = np.minimum.accumulate(steps[::-1])[::-1]

    @property
    def nothing(self) -> bool:
        """Whether everything stays."""
        return int(self._limit[0]) == NO_LIMIT

    def kept(self, step: StepArray) -> NDArray[np.bool_]:
        """``[N]`` which of all scalars of the part stay."""
        ends = np.append(self._row, len(step))
        limit = np.repeat(self._limit, np.diff(ends, prepend=0))
        return _below(step, limit)

    def kept_histograms(self, histograms: HistogramColumns) -> NDArray[np.bool_]:
        """``[M]`` which histograms stay. Between the same two scalars the wall time tells what came first."""
        first = np.searchsorted(self._row, histograms.row, "left")
        behind = np.searchsorted(self._row, histograms.row, "right")
        wall_time = np.append(self._wall_time, np.nan)[first]
        follows = (behind > first) & (histograms.wall_time >= wall_time)
        return _below(histograms.step, self._limit[np.where(follows, behind, first)])


def _below(step: StepArray, limit: NDArray[np.int64]) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = (step < limit) | (limit == NO_LIMIT)
    return kept


def session_purges(parts: Sequence[Part], concurrency: Concurrency) -> list[Purge]:
    """What START events make void in each part. Concurrent writers never void one another's points."""
    smallest = [min((start.step for start in part.starts), default=NO_LIMIT) for part in parts]
    restarting = [position for position, limit in enumerate(smallest) if limit != NO_LIMIT]
    purges = []
    for position, part in enumerate(parts):
        later = (
            smallest[other]
            for other in restarting
            if other > position and parts[other].prefix == part.prefix and not concurrency.between(position, other)
        )
        purges.append(Purge(part.starts, min(later, default=NO_LIMIT)))
    return purges
