"""Excursions that dwarf all of a curve's past and come back: so large that a few points are enough to be sure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import Floats
from trainvitals.maths.spikes import (
    BENIGN_POINTS,
    POINTS_BEFORE,
    POINTS_PER_SPIKE,
    RECOVERED_POINTS,
    Recovery,
    Spike,
)

# Ten times all that came before, the untrained model included: an order of magnitude is no matter of noise or taste.
TOWERING_FACTOR = 10.0
# Noise that spans decades shows in the neighbours: on a logarithmic scale the excursion must stand this many times
# further above them than they are spread. Of six normal numbers one does so in a few series of a thousand.
TIMES_SPREAD = 2.0
# So many neighbours before it show the spread; with fewer than two of them the excursion may be the start of the curve.
NEIGHBOURS_BEFORE, FEWEST_BEFORE = 30, 2


def find_towering(step: NDArray[np.int64], value: Floats, *, breaks: Sequence[int] = ()) -> tuple[Spike, ...]:
    """The isolated excursions of at most five points that are ten times as large as everything before, in order.

    Each is judged by the points before it and the three after it alone, which must be back below a tenth of it: what
    was found once stays found, whatever follows.

    Args:
        step: ``[N]`` strictly increasing.
        value: ``[N]`` finite.
        breaks: steps at which the series starts anew.
    """
    edges = [0, *(int(index) for index in np.searchsorted(step, sorted(breaks))), len(step)]
    data = np.asarray(value, dtype=np.float64)
    return tuple(
        spike for start, stop in pairwise(edges) for spike in _in_stretch(step[start:stop], data[start:stop], start)
    )


def _in_stretch(step: NDArray[np.int64], value: NDArray[np.float64], offset: int) -> Iterator[Spike]:
    # A share of the values, because ten times one of them may overflow.
    share = value / TOWERING_FACTOR
    size, calm = np.abs(value), np.ones(len(value), dtype=bool)
    seen = min(FEWEST_BEFORE, len(value))
    largest = float(size[:seen].max(initial=0.0))
    high = seen + np.flatnonzero(share[seen:] >= largest) if largest > 0 else np.empty(0, dtype=np.int64)
    position = found = 0
    while position < len(high):
        first = int(high[position])
        position += 1
        largest = max(largest, float(size[seen:first].max(initial=0.0)))
        if first < seen or share[first] < largest:
            continue
        length = _length(share[first:], largest)
        before = slice(max(0, first - NEIGHBOURS_BEFORE), first)
        after = value[first + length : first + length + RECOVERED_POINTS]
        neighbours = np.concatenate([value[before][calm[before]], after])
        possible = 0 < length <= BENIGN_POINTS and len(after) == RECOVERED_POINTS
        rare = POINTS_PER_SPIKE * found <= first
        if possible and rare and _stands_out(float(value[first : first + length].min()), neighbours):
            yield _spike(step, value, first, length, neighbours, offset)
            calm[first : first + length] = False
            seen, found = first + length, found + 1
        else:
            # What is no excursion is the past of what follows, and leaves few of it ten times as high.
            largest, seen = float(size[first]), first + 1
            high, position = high[(high >= seen) & (share[high] >= largest)], 0


def _length(share: NDArray[np.float64], largest_before: float) -> int:
    """How many points at the beginning are ten times as large as all before; counted up to one too many."""
    return int(np.argmin(np.append(share[: BENIGN_POINTS + 1] >= largest_before, False)))


def _stands_out(lowest: float, neighbours: NDArray[np.float64]) -> bool:
    highest = float(np.abs(neighbours).max())
    if lowest / TOWERING_FACTOR < highest:
        return False
    smallest = float(neighbours.min())
    if smallest <= 0:
        return True
    spread = float(np.log(highest) - np.log(smallest))
    return float(np.log(lowest) - np.log(highest)) >= TIMES_SPREAD * spread


def _spike(
    step: NDArray[np.int64],
    value: NDArray[np.float64],
    first: int,
    length: int,
    neighbours: NDArray[np.float64],
    offset: int,
) -> Spike:
    peak, last = first + int(np.argmax(value[first : first + length])), first + length - 1
    baseline = float(np.median(neighbours[-POINTS_BEFORE - RECOVERED_POINTS :]))
    positive = bool(neighbours.min() > 0)
    scaled = np.log(neighbours) if positive else neighbours
    top = float(np.log(value[peak]) if positive else value[peak])
    noise_sd = difference_noise_sd(scaled)
    return Spike(
        first=offset + first,
        peak=offset + peak,
        last=offset + last,
        first_step=int(step[first]),
        peak_step=int(step[peak]),
        last_step=int(step[last]),
        baseline=baseline,
        height=float(value[peak]) - baseline,
        ratio=float(value[peak]) / baseline if positive else float("nan"),
        z=(top - float(np.median(scaled))) / noise_sd if noise_sd > 0 else float("inf"),
        recovery=Recovery.BENIGN,
    )
