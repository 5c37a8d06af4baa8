"""Where a positive, noisy signal leaves the range of its own past."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.robust import mad_scale

BLOCKS = 100
"""A hundredth of the run is the shortest stretch that counts as sustained, where there are that many points."""

PAST_BLOCKS = 5
"""So much past is needed before anything can leave its range."""

SUSTAINED_BLOCKS = 3
"""In a row: two high blocks of one point each are still a burst."""

WIDE = 6.0
"""Robust standard deviations of the past: heavy tails of gradient norms stay inside, a regime of its own does not."""


OVERFLOW_DECADES = 309.0
"""Stands for infinity: just above the logarithm of the largest 64-bit number."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A stretch in which the level lies far above all of the past.

    Args:
        begin: index of the first point of the stretch, dated back to where the level left the range of the past.
        past: median level before, in decades (log10).
        late: median level of the stretch, in decades.
        to_the_end: whether it lasts until the end.
    """

    begin: int
    past: float
    late: float
    to_the_end: bool

    @property
    def decades(self) -> float:
        """How far above the past, as a power of ten."""
        return self.late - self.past


def sustained_excess(decades: NDArray[np.float64], first: int, smallest: float) -> Excess | None:
    """The first stretch of at least three blocks whose levels lie ``smallest`` decades above the past.

    A block's level is the median of its points, so that single wild values do not count. The past of a block is all
    that came before it since ``first``; it must also lie six robust standard deviations of the past's blocks higher.

    Args:
        decades: ``[N]`` log10 of the signal; infinity counts as 309, NaN is not allowed.
        first: index of the first point that counts as past, after warm-up.
        smallest: how far above the past, in decades.
    """
    decades = np.minimum(decades, OVERFLOW_DECADES)
    edges = np.linspace(first, len(decades), min(BLOCKS, len(decades) - first) + 1).round().astype(np.int64)
    if len(edges) - 1 < PAST_BLOCKS + SUSTAINED_BLOCKS:
        return None
    levels = np.array([np.median(decades[low:high]) for low, high in pairwise(edges)])
    high = np.zeros(len(levels), dtype=bool)
    for block in range(PAST_BLOCKS, len(levels)):
        past = levels[:block][~high[:block]]
        high[block] = levels[block] - np.median(past) > max(smallest, WIDE * mad_scale(past))
    begin = _first_run(high)
    if begin is None:
        return None
    end = begin + int(np.argmin(np.append(high[begin:], False)))
    past = levels[:begin][~high[:begin]]
    normal = float(np.median(past)) + max(0.1 * smallest, 3.0 * mad_scale(past))
    while begin > PAST_BLOCKS and levels[begin - 1] > normal:
        begin -= 1
    return Excess(
        begin=int(edges[begin]),
        past=float(np.median(past)),
        late=float(np.median(levels[begin:end])),
        to_the_end=end == len(levels),
    )


def _first_run(high: NDArray[np.bool_]) -> int | None:
    """Index of the first of at least three in a row."""
    length = 0
    for index, is_high in enumerate(high):
        length = length + 1 if is_high else 0
        if length == SUSTAINED_BLOCKS:
            return index - SUSTAINED_BLOCKS + 1
    return None
