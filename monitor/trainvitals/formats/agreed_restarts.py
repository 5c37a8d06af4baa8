"""Restarts that the tags of one file agree on.

A restart is an event of the process, so every tag that it records goes back together. A tag that goes back alone counts
something else than steps: the batches of an epoch, say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.formats.restarts import restart_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals.model import StepArray

MOST_RESTARTS = 200
"""A step that goes back more often than this in one file is a counter that wraps, not a process that restarts."""


@dataclass(frozen=True, slots=True)
class StepBack:
    """One place where the recording went back.

    Args:
        row: the first row after it, in record order.
        step: that row's step, in the tag that is logged most. previous_step: the step of that tag before.
    """

    row: int
    step: int
    previous_step: int


@dataclass(frozen=True, slots=True)
class TagOrder:
    """Rows of several tags in record order, and the same rows sorted by tag.

    Args:
        order: ``[N]`` the stable order by tag. bounds: ``[G + 1]`` where each tag's rows begin in it.
        code: ``[G]`` the tag of each group.
    """

    order: NDArray[np.int64]
    bounds: NDArray[np.int64]
    code: NDArray[np.int32]


def order_by_tag(tag_code: NDArray[np.int32]) -> TagOrder:
    """Sort the rows by tag, keeping record order inside each."""
    # Two-byte keys are sorted by counting, five times faster than by comparing.
    narrow = not len(tag_code) or int(tag_code.max()) <= np.iinfo(np.uint16).max
    order = np.argsort(tag_code.astype(np.uint16) if narrow else tag_code, kind="stable")
    ordered = tag_code[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    return TagOrder(order, np.append(first, len(ordered)), ordered[first])


def find_agreed_restarts(tags: TagOrder, step: StepArray) -> tuple[list[StepBack], int]:
    """Where the recording went back inside one file.

    Args:
        tags: the rows by tag.
        step: ``[N]`` in record order.

    Returns:
        The places, first to last; and how often steps went back where that is too often for restarts, else 0.
    """
    by_tag = step[tags.order]
    drops = _drops(tags, by_tag)
    places = _together(tags.order[drops - 1], tags.order[drops])
    if len(places) > MOST_RESTARTS:
        return [], len(drops)
    everything = _Rows(tags, by_tag)
    found = []
    for members in places:
        drop = drops[members]
        row = int(tags.order[drop].min())
        if len(drop) >= everything.going_on(row, int(by_tag[drop].min())):
            group = np.searchsorted(tags.bounds, drop, side="right") - 1
            best = drop[np.argmax(np.diff(tags.bounds)[group])]
            found.append(StepBack(row, int(by_tag[best]), int(by_tag[best - 1])))
    return found, 0


def _drops(tags: TagOrder, by_tag: StepArray) -> NDArray[np.int64]:
    """Positions in tag order where a tag, judged alone, was restarted."""
    goes_back = np.append(False, by_tag[1:] < by_tag[:-1])[: len(by_tag)]
    goes_back[tags.bounds[:-1]] = False
    backwards = np.flatnonzero(goes_back)
    groups = np.unique(np.searchsorted(tags.bounds, backwards, side="right") - 1)
    found = []
    for group in groups.tolist():
        first, last = tags.bounds[group : group + 2].tolist()
        found += [first + position for position in restart_positions(by_tag[first:last])]
    return np.array(found, dtype=np.int64)


def _together(before: NDArray[np.int64], after: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Drops that one restart explains: it lies after the row ``before`` and not after the row ``after`` of each."""
    places: list[NDArray[np.int64]] = []
    waiting = np.argsort(after, kind="stable")
    while len(waiting) and len(places) <= MOST_RESTARTS:
        same = before[waiting] < after[waiting[0]]
        places.append(waiting[same])
        waiting = waiting[~same]
    return places


class _Rows:
    """Looks up what every tag did around a row."""

    def __init__(self, tags: TagOrder, by_tag: StepArray) -> None:
        self._bounds = tags.bounds
        self._step = by_tag
        self._groups = np.arange(len(tags.code))
        self._key = np.repeat(self._groups, np.diff(tags.bounds)) * len(by_tag) + tags.order

    def going_on(self, row: int, restarted_at: int) -> int:
        """How many tags had passed ``restarted_at`` before ``row`` and went on upwards after it."""
        after = np.searchsorted(self._key, self._groups * len(self._step) + row)
        across = (after > self._bounds[:-1]) & (after < self._bounds[1:])
        after = after[across]
        previous = self._step[after - 1]
        return int(np.count_nonzero((previous >= restarted_at) & (self._step[after] > previous)))
