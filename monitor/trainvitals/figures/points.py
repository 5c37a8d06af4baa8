"""What is drawn of a series: so few points that a browser stays quick, chosen so that the picture does not lie.

Smoothing comes first, over everything that was recorded; only then points are left out. What is drawn was recorded (or
smoothed) exactly so: no value is invented, none is moved, and no line crosses a place where a value was not finite.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 2000
"""Of one line, its gaps included: about two for each column of pixels."""

MOST_MARKS = 200
"""Of non-finite points; each stands for all in its part of the axis, and says how many they are."""

STRONGEST_SMOOTHING = 0.999

# The axis is cut into stretches that share the points: a dense one leaves the sparse ones theirs.
POINTS_A_STRETCH = 20

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Window = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class NonFiniteMarks:
    """Where values were not finite.

    Args:
        x: ``[M]`` the first of each part of the axis that has any.
        count: ``[M]`` how many there are in this part.
        total: of them all.
    """

    x: Floats
    count: Indices
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The points of one line.

    Args:
        x: ``[N]``; y: ``[N]``, NaN where the line is interrupted and nowhere else.
        alone: ``[N]`` whether a point has no neighbour to be joined with, so that only a marker shows it.
        nan, above, below: the points that are NaN, infinite, and minus infinite.
        recorded: how many points there are between the ends of the window, non-finite ones included.
    """

    x: Floats
    y: Floats
    alone: NDArray[np.bool_]
    nan: NonFiniteMarks
    above: NonFiniteMarks
    below: NonFiniteMarks
    recorded: int

    @property
    def finite(self) -> Floats:
        """The values that are drawn."""
        return self.y[np.isfinite(self.y)]

    def seen(self, window: Window | None) -> Floats:
        """The values that are drawn inside of a window; where there are none, those whose line runs through it."""
        if window is None:
            return self.finite
        inside = self.y[np.isfinite(self.y) & (self.x >= min(window)) & (self.x <= max(window))]
        return inside if len(inside) else self.finite


def smoothed(value: NDArray[np.floating], weight: float, breaks: NDArray[np.bool_] | None = None) -> Floats:
    """The exponential moving average of ``[T]`` values, without the bias that its start would have.

    A value that is not finite stays NaN and moves nothing; a constant stays exactly constant; the average never leaves
    the range of what it has seen.

    Args:
        weight: of the past at each point, 0 (nothing is smoothed) to 0.999.
        breaks: ``[T]`` where the average begins anew, such as at a restart.
    """
    result = np.full(len(value), np.nan)
    weight = float(np.clip(weight, 0.0, STRONGEST_SMOOTHING))
    edges = [0, *(np.flatnonzero(breaks).tolist() if breaks is not None else ()), len(value)]
    for begin, end in itertools.pairwise(edges):
        part = np.asarray(value[begin:end], dtype=np.float64)
        finite = np.isfinite(part)
        if finite.any():
            result[begin:end][finite] = _moving_average(part[finite], weight)
    return result


def _moving_average(value: Floats, weight: float) -> Floats:
    import pandas

    average = pandas.Series(value).ewm(alpha=1.0 - weight, adjust=True).mean().to_numpy()
    return np.asarray(np.clip(average, np.minimum.accumulate(value), np.maximum.accumulate(value)))


def drawn(
    x: NDArray[np.number],
    y: NDArray[np.floating],
    *,
    window: Window | None = None,
    breaks: NDArray[np.bool_] | None = None,
    limit: int = MOST_POINTS,
) -> Drawn:
    """At most ``limit`` points of ``[T]`` that look like all of them: MinMaxLTTB, with the extremes in any case.

    The line is interrupted at non-finite points, at ``breaks``, and wherever ``x`` goes back.

    Args:
        x: where; points at a non-finite place are left out.
        window: only what lies between these two, and one point beyond each, so that lines run out of the frame.
        breaks: ``[T]`` points that are not joined with the one before them.
        limit: at least 40.
    """
    place = np.asarray(x, dtype=np.float64)
    value = np.asarray(y, dtype=np.float64)
    joined = np.ones(len(place), dtype=bool) if breaks is None else ~np.asarray(breaks, dtype=bool)
    joined[1:] &= ~(place[1:] < place[:-1])
    somewhere = np.isfinite(place)
    interruptions: Indices = np.cumsum(~(joined & somewhere & np.isfinite(value)), dtype=np.int64)
    inside = somewhere if window is None else somewhere & (place >= min(window)) & (place <= max(window))
    candidates = np.flatnonzero(somewhere & np.isfinite(value) & (inside if window is None else _and_next(inside)))
    chosen = _few_enough(place, value, interruptions, candidates, limit)
    x, y = _with_gaps(place[chosen], value[chosen], interruptions[chosen])
    return Drawn(
        x,
        y,
        alone=_alone(y),
        nan=_marks(place[inside & np.isnan(value)]),
        above=_marks(place[inside & np.isposinf(value)]),
        below=_marks(place[inside & np.isneginf(value)]),
        recorded=int(inside.sum()),
    )


def _and_next(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same, and the neighbours on both sides."""
    wider = inside.copy()
    wider[:-1] |= inside[1:]
    wider[1:] |= inside[:-1]
    return wider


def _few_enough(place: Floats, value: Floats, interruptions: Indices, candidates: Indices, limit: int) -> Indices:
    """The points to draw: with the gaps between them no more than the limit."""
    most = limit
    for most in (limit, (3 * limit) // 4, limit // 2):
        chosen = _chosen(place, value, candidates, most)
        if len(chosen) + int(np.count_nonzero(np.diff(interruptions[chosen]))) <= limit:
            return chosen
    return _chosen(place, value, candidates, most)


def _chosen(place: Floats, value: Floats, candidates: Indices, most: int) -> Indices:
    """At most so many of the candidates, among them the first, the last, the least and the greatest."""
    if len(candidates) <= most:
        return candidates
    from tsdownsample import MinMaxLTTBDownsampler

    values = value[candidates]
    musts = {0, len(values) - 1, int(values.argmin()), int(values.argmax())}
    kept = [np.array(sorted(musts), dtype=np.int64)]
    stretches = _stretches(place[candidates], (most - len(musts)) // POINTS_A_STRETCH)
    for (begin, end), share in zip(stretches, _shares(stretches, most - len(musts)), strict=True):
        stretch = np.ascontiguousarray(values[begin:end])
        if share >= len(stretch):
            kept.append(np.arange(begin, end))
        else:
            # Without the places: with them it fails on some uneven ones.
            kept.append(begin + MinMaxLTTBDownsampler().downsample(stretch, n_out=share).astype(np.int64))
    return candidates[np.unique(np.concatenate(kept))]


def _stretches(place: Floats, count: int) -> list[tuple[int, int]]:
    """Equally long parts of the axis as begin and end of the points in them; equally full ones where it goes back."""
    if bool(np.all(place[1:] >= place[:-1])):
        cuts = np.searchsorted(place, np.linspace(place[0], place[-1], count + 1)[1:-1])
    else:
        cuts = np.linspace(0, len(place), count + 1)[1:-1].astype(np.int64)
    edges = np.unique(np.concatenate(([0], cuts, [len(place)]))).tolist()
    return list(itertools.pairwise(edges))


def _shares(stretches: list[tuple[int, int]], most: int) -> list[int]:
    """How many points each may keep: all where they are few, and equal shares of what is left for the others."""
    shares = [0] * len(stretches)
    by_size = sorted(range(len(stretches)), key=lambda i: stretches[i][1] - stretches[i][0])
    for done, i in enumerate(by_size):
        begin, end = stretches[i]
        shares[i] = min(end - begin, most // (len(stretches) - done))
        most -= shares[i]
    return shares


def _with_gaps(x: Floats, y: Floats, interruptions: Indices) -> tuple[Floats, Floats]:
    """The points with a NaN between two that must not be joined."""
    apart = np.flatnonzero(np.diff(interruptions)) + 1
    return np.insert(x, apart, x[apart]), np.insert(y, apart, np.nan)


def _alone(y: Floats) -> NDArray[np.bool_]:
    gap = np.concatenate(([True], np.isnan(y), [True]))
    return ~gap[1:-1] & gap[:-2] & gap[2:]


def _marks(place: Floats) -> NonFiniteMarks:
    if len(place) == 0:
        return NonFiniteMarks(np.empty(0), np.empty(0, dtype=np.int64), 0)
    ordered = np.sort(place)
    part = np.floor((ordered - ordered[0]) / max(np.ptp(ordered), np.finfo(float).tiny) * (MOST_MARKS - 1))
    _, first, count = np.unique(part, return_index=True, return_counts=True)
    return NonFiniteMarks(ordered[first], count.astype(np.int64), len(ordered))
