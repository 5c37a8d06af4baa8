"""Where a smooth descent broke off: one law throughout, or a law and then a line?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.forecast import Kind, Matrix, fit_law, shapes, solve_sums
from trainvitals.maths.noise import inflation, lag_one_correlation
from trainvitals.maths.robust import Floats
from trainvitals.maths.rounding import quantum
from trainvitals.maths.trend import fit_line

# Three more parameters (place, level, slope) at the price of the Bayesian information criterion, ...
COST_PER_LOG_POINT = 3.0
# ... and 6 more for having searched for the place.
COST_OF_SEARCH = 6.0
PARAMETERS = 6


@dataclass(frozen=True, slots=True)
class SoftBreak:
    """The best place to replace the tail of a smooth law by a line.

    Args:
        index: first point of the line.
        evidence: how much the sum of squares falls, in residual variances.
        threshold: what the evidence must exceed.
    """

    index: int
    evidence: float
    threshold: float

    @property
    def accepted(self) -> bool:
        return self.evidence > self.threshold


def find_soft_break(
    time: Floats,
    value: Floats,
    law_kinds: Sequence[Kind],
    *,
    first: int,
    last_margin: int,
    lowest_floor: float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> SoftBreak | None:
    """Compare the best single law on all ``[N]`` points with a law before q and a line from q on, for every q.

    The break has to lower the sum of squares by more than ``(3 ln N + 6) (1 + rho) / (1 - rho)`` residual variances,
    where rho is the lag-one correlation around the broken law: correlated noise wanders like a break. Sums over all
    prefixes are cumulative, so the search costs no more than a few fits.

    Args:
        first: fewest points before the break; last_margin: fewest after it.

    Returns:
        None where the series is too short to search.
    """
    points = len(value)
    places = np.arange(first, points - last_margin + 1)
    if len(places) == 0:
        return None
    w = np.ones(points) if weights is None else weights
    t, y = np.asarray(time, dtype=np.float64), np.asarray(value, dtype=np.float64)
    before = np.min([_prefix_sse(shapes(kind, t).at(t), y, w, lowest_floor) for kind in law_kinds], axis=0)
    split = before[places - 1] + _suffix_line_sse(t, y, w)[places]
    best = int(np.argmin(split))
    index = int(places[best])
    # Values carry about 16 digits; a residual below that is rounding, not noise.
    rounding = points * float(w.max()) * (1e-12 * float(np.max(np.abs(y)))) ** 2
    variance = (float(split[best]) + rounding) / max(1, points - PARAMETERS)
    whole = fit_law(t, y, law_kinds, lowest_floor=lowest_floor, weights=w).sse
    evidence = (whole - float(split[best])) / variance if variance > 0 else 0.0
    residuals = broken_residuals(t, y, index, law_kinds, lowest_floor=lowest_floor, weights=w)
    cost = (COST_PER_LOG_POINT * float(np.log(points)) + COST_OF_SEARCH) * inflation(lag_one_correlation(residuals))
    return SoftBreak(index, float(evidence), cost)


def broken_residuals(
    time: Floats,
    value: Floats,
    index: int,
    law_kinds: Sequence[Kind],
    *,
    lowest_floor: float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """``[N]`` standardised residuals around a law before ``index`` and a line from it on; no line at ``index = N``."""
    w = np.ones(len(value)) if weights is None else weights
    law = fit_law(time[:index], value[:index], law_kinds, lowest_floor=lowest_floor, weights=w[:index])
    residuals = value - law.predict(time)
    if index < len(value):
        residuals[index:] = value[index:] - fit_line(time[index:], value[index:]).at(time[index:])
    return np.asarray(residuals * np.sqrt(w))


def _prefix_sse(curves: Matrix, y: NDArray[np.float64], w: NDArray[np.float64], lowest_floor: float) -> Matrix:
    """Sum of squares of the best curve on the first k + 1 points, as ``[N]``."""
    centre = float(w @ y / w.sum())
    z = y - centre
    n, sy, syy = np.cumsum(w), np.cumsum(w * z), np.cumsum(w * z * z)
    sx, sxx = np.cumsum(w * curves, axis=1), np.cumsum(w * curves**2, axis=1)
    sxy = np.cumsum(w * z * curves, axis=1)
    _, _, sse = solve_sums(n, sx, sxx, sy, sxy, syy, lowest_floor - centre, centre)
    return np.asarray(sse.min(axis=0))


def _suffix_line_sse(t: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]) -> Matrix:
    """Sum of squares of the best line on the points from k on, as ``[N]``."""
    x = (t - t[-1]) / max(float(t[-1] - t[0]), np.finfo(float).tiny)
    z = y - y[-1]

    def tails(values: NDArray[np.float64]) -> Matrix:
        return np.asarray(np.cumsum(values[::-1])[::-1])

    n, sx, sxx = tails(w), tails(w * x), tails(w * x * x)
    sy, sxy, syy = tails(w * z), tails(w * x * z), tails(w * z * z)
    xx, xy, yy = sxx - sx**2 / n, sxy - sx * sy / n, syy - sy**2 / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(yy - np.where(xx > 1e-14 * sxx, xy**2 / xx, 0.0), 0.0)


# On each side: fewer points are neither a law nor a level.
FEWEST_BESIDE_ONSET = 4


def find_onset(
    time: Floats,
    value: Floats,
    law_kinds: Sequence[Kind],
    *,
    lowest_floor: float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> int:
    """Index of the first of ``[N]`` points that a constant level describes better than the law before it.

    For a series already known to end flat: there is no test, only the best place.
    """
    points = len(value)
    places = np.arange(FEWEST_BESIDE_ONSET, points - FEWEST_BESIDE_ONSET + 1)
    if len(places) == 0:
        return 0
    w = np.ones(points) if weights is None else weights
    y = np.asarray(value, dtype=np.float64)
    before = np.min([_prefix_sse(shapes(kind, time).at(time), y, w, lowest_floor) for kind in law_kinds], axis=0)
    z = y - y[-1]
    n, sy, syy = (np.cumsum(part[::-1])[::-1] for part in (w, w * z, w * z * z))
    level = np.maximum(syy - sy**2 / n, 0.0)
    return int(places[np.argmin(before[places - 1] + level[places])])


# A value that repeats more often than this by chance is not looked at.
CONSTANT_TAIL_CHANCE = 1e-6
SHORTEST_CONSTANT_TAIL = 3
SHORTEST_CONSTANT_SHARE = 0.05
# From here on the share of repeats in an equally long stretch before is a measure by itself.
LONG_CONSTANT_TAIL = 10
# The latest moves tell how far the next one should have gone.
MOVES_BEFORE = 5
REPEATS_LOOKED_AT = 20
# Where one value in twenty repeats by rounding alone, a few repeats prove nothing.
MOST_CHANCE_TO_REPEAT = 0.05


def constant_tail(value: Floats) -> int | None:
    """Index from which ``[N]`` values repeat one number to the last digit, where they did not before.

    None unless the tail has three points and a twentieth of the series, and is a one in a million chance: rounded or
    rarely updated values repeat all the time.
    """
    points = len(value)
    if points < 2 or value[-1] != value[-2]:
        return None
    moved = np.flatnonzero(value[1:] != value[:-1])
    if len(moved) == 0:
        return None
    start = int(moved[-1]) + 1
    length = points - start
    if length < max(SHORTEST_CONSTANT_TAIL, SHORTEST_CONSTANT_SHARE * points) or start < SHORTEST_CONSTANT_TAIL:
        return None
    latest = value[max(0, start - MOVES_BEFORE) : start + 1]
    with np.errstate(over="ignore"):  # near the end of the number range a move is infinite, which is large enough
        move = float(np.median(np.abs(np.diff(latest))))
    digit = quantum(latest)
    if move <= digit:
        return None  # it came to rest by rounding
    chance = min(_chance_by_history(value, start), _chance_by_digits(value, start, digit / move))
    return start if chance ** (length - 1) < CONSTANT_TAIL_CHANCE else None


def _chance_by_history(value: Floats, start: int) -> float:
    """The share of equal neighbours in a stretch before, as long as the tail from ``start`` on; needs a long one."""
    length = len(value) - start
    if min(length, start) < LONG_CONSTANT_TAIL:
        return 1.0
    before = value[max(0, start - length) : start + 1]
    return (float(np.count_nonzero(before[1:] == before[:-1])) + 1.0) / (len(before) + 1.0)


def _chance_by_digits(value: Floats, start: int, digit_over_move: float) -> float:
    """The step in which the latest values are written over the size of their moves; needs hardly a repeat before."""
    recent = value[max(0, start - REPEATS_LOOKED_AT) : start + 1]
    chance = max(float(np.mean(recent[1:] == recent[:-1])), digit_over_move)
    return chance if chance < MOST_CHANCE_TO_REPEAT else 1.0
