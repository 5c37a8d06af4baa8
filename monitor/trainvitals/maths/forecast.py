"""Smooth laws of descent: fitted, compared, and continued beyond the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.equivalence import Interval
from trainvitals.maths.noise import integrated_autocorrelation_time
from trainvitals.maths.robust import Floats

Kind = Literal["power", "exponential", "logistic", "vertex"]
Matrix = NDArray[np.float64]

# Draws of the bootstrap: the bounds of a 90 % interval then have an error of some percent of its width.
REPLICATES = 200
LAW_PARAMETERS = 3
# Exponents of the power law; real language-model curves lie between 0.4 and 0.6, slow ones near 0.1.
EXPONENTS = np.concatenate(([0.02, 0.05], np.arange(0.1, 2.05, 0.1)))
# Time constants of the exponential and widths of the logistic law, as shares of the time that is fitted.
TIME_CONSTANTS = np.geomspace(0.01, 3.0, 45)
LOGISTIC_WIDTHS = np.geomspace(0.01, 0.3, 16)
LOGISTIC_MIDDLES = np.linspace(0.05, 0.95, 37)
# An optimizer of constant speed, such as Adam on a small problem, arrives at the vertex of a parabola.
VERTEX_ARRIVALS = np.linspace(0.1, 2.0, 39)


@dataclass(frozen=True, slots=True)
class Shapes:
    """One-parameter families of curves that fall from high to low: a law is ``floor + scale * shape(time)``.

    Args:
        kind: the family.
        parameters: one tuple a curve: the exponent; the time constant; the middle and the width; the time of arrival.
        origin, unit: times are counted from ``origin`` in multiples of ``unit``.
    """

    kind: Kind
    parameters: tuple[tuple[float, ...], ...]
    origin: float
    unit: float

    def at(self, time: Floats) -> Matrix:
        """Every curve at ``[T]`` times as ``[G, T]``."""
        t = (np.asarray(time, dtype=np.float64) - self.origin) / self.unit
        parameters = np.asarray(self.parameters)
        if self.kind == "power":
            return np.asarray(np.maximum(t, np.finfo(float).tiny)[None, :] ** -parameters[:, :1])
        if self.kind == "exponential":
            return np.asarray(np.exp(-t[None, :] / parameters[:, :1]))
        if self.kind == "vertex":
            return np.asarray(np.maximum(1.0 - t[None, :] / parameters[:, :1], 0.0) ** 2)
        # Beyond 60 widths the curve is 0 or 1 to the last digit; the bound keeps exp from overflowing.
        return np.asarray(1.0 / (1.0 + np.exp(np.clip((t - parameters[:, :1]) / parameters[:, 1:], -60.0, 60.0))))

    def only(self, index: int) -> Shapes:
        """The family reduced to one of its curves."""
        return Shapes(self.kind, (self.parameters[index],), self.origin, self.unit)


def shapes(kind: Kind, time: Floats) -> Shapes:
    """The family to search for a law on these ``[N]`` times, positive for the power law."""
    if kind == "power":
        grid: list[tuple[float, ...]] = [(float(c),) for c in EXPONENTS]
        return Shapes("power", tuple(grid), 0.0, max(float(time[-1]), np.finfo(float).tiny))
    unit = max(float(time[-1] - time[0]), np.finfo(float).tiny)
    if kind == "exponential":
        grid = [(float(c),) for c in TIME_CONSTANTS]
    elif kind == "vertex":
        grid = [(float(arrival),) for arrival in VERTEX_ARRIVALS]
    else:
        grid = [(float(middle), float(width)) for middle in LOGISTIC_MIDDLES for width in LOGISTIC_WIDTHS]
    return Shapes(kind, tuple(grid), float(time[0]), unit)


@dataclass(frozen=True, slots=True)
class Law:
    """``floor + scale * shape(time)`` with ``scale >= 0``, and its weighted sum of squared residuals."""

    shape: Shapes
    floor: float
    scale: float
    sse: float

    @property
    def kind(self) -> Kind:
        return self.shape.kind

    def predict(self, time: Floats) -> NDArray[np.float64]:
        """Value at ``[T]`` times."""
        return np.asarray(self.floor + self.scale * self.shape.at(time)[0])


def solve(
    curves: Matrix, values: Matrix, weights: NDArray[np.float64], lowest_floor: float
) -> tuple[Matrix, Matrix, Matrix]:
    """Least squares of every value series on every curve, with ``scale >= 0`` and ``floor >= lowest_floor``.

    With one regressor and a constant, non-negative least squares has the closed form used here: the free solution,
    else the better of the two edges.

    Args:
        curves: ``[G, N]``; values: ``[B, N]``; weights: ``[N]`` inverse variances.
        lowest_floor: minus infinity where the floor is free.

    Returns:
        Floor, scale and sum of squares, each ``[B, G]``.
    """
    total = float(weights.sum())
    centre = (values @ weights / total)[:, None]
    y = values - centre
    lowest = lowest_floor - centre
    sx, sxx = curves @ weights, (curves**2) @ weights
    sxy, syy = (y * weights) @ curves.T, ((y**2) @ weights)[:, None]
    return solve_sums(total, sx[None, :], sxx[None, :], 0.0, sxy, syy, lowest, centre)


def solve_sums(
    n: float | Matrix,
    sx: Matrix,
    sxx: Matrix,
    sy: float | Matrix,
    sxy: Matrix,
    syy: Matrix,
    lowest: float | Matrix,
    centre: float | Matrix,
) -> tuple[Matrix, Matrix, Matrix]:
    """``solve`` from weighted sums of the curve x and the centred values y, all of shapes that broadcast.

    Args:
        n, sx, sxx, sy, sxy, syy: sums of 1, x, x^2, y, x y and y^2.
        lowest: the lowest floor, and centre: the constant, both as seen from the centred values.
    """
    determinant = n * sxx - sx**2
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(determinant > 1e-12 * n * sxx, (n * sxy - sx * sy) / determinant, 0.0)
        scale = np.maximum(scale, 0.0)
        floor = (sy - scale * sx) / n
        below = floor < lowest
        if np.any(below):
            edge = np.broadcast_to(np.where(np.isfinite(lowest), lowest, 0.0), floor.shape)
            floor = np.where(below, edge, floor)
            scale = np.where(below, np.maximum((sxy - edge * sx) / sxx, 0.0), scale)
    sse = syy - 2 * floor * sy - 2 * scale * sxy + n * floor**2 + 2 * floor * scale * sx + scale**2 * sxx
    return floor + centre, scale, np.maximum(sse, 0.0)


def fit_law(
    time: Floats,
    value: Floats,
    kinds: Sequence[Kind] = ("power",),
    *,
    lowest_floor: float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> Law:
    """The law of these kinds that comes closest to ``[N]`` points, at least two.

    Args:
        time: since training began, positive.
        lowest_floor: no law may end below it: 0 for losses that cannot be negative, else minus infinity.
        weights: ``[N]`` inverse variances, equal if None.
    """
    y = np.asarray(value, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else weights
    best: Law | None = None
    for kind in kinds:
        family = shapes(kind, time)
        floor, scale, sse = solve(family.at(time), y[None, :], w, lowest_floor)
        index = int(np.argmin(sse[0]))
        law = Law(family.only(index), float(floor[0, index]), float(scale[0, index]), float(sse[0, index]))
        if best is None or law.sse < best.sse:
            best = law
    if best is None:
        raise ValueError("no kind of law to fit")
    return best


def law_gains(
    time: Floats,
    value: Floats,
    kinds: Sequence[Kind],
    horizons: NDArray[np.float64],
    *,
    confidence: float,
    lowest_floor: float = 0.0,
    weights: NDArray[np.float64] | None = None,
) -> list[Interval]:
    """How far the closest law falls within each of ``[H]`` times after the last point, with a moving-block bootstrap
    interval.

    Residuals are drawn in blocks of twice their autocorrelation time, at least the cube root of their number (Künsch
    1989), and widened for the fitted parameters. Every kind of law is fitted to every replicate and the closest one
    counts: which law holds is part of the doubt. The draw depends on the number of points only, so the same curve
    always gets the same answer.
    """
    y = np.asarray(value, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else weights
    law = fit_law(time, y, kinds, lowest_floor=lowest_floor, weights=w)
    fitted = law.predict(time)
    residuals = (y - fitted) * np.sqrt(w * len(y) / max(1, len(y) - LAW_PARAMETERS))
    replicates = fitted + _moving_blocks(residuals, REPLICATES) / np.sqrt(w)
    ends = float(time[-1]) + np.append(0.0, horizons)
    gains, closest = np.zeros((len(horizons), REPLICATES)), np.full(REPLICATES, np.inf)
    for kind in kinds:
        family = shapes(kind, time)
        _, scale, sse = solve(family.at(time), replicates, w, lowest_floor)
        best = np.argmin(sse, axis=1)
        rows = np.arange(REPLICATES)
        levels = family.at(ends)[best].T
        gains = np.where(sse[rows, best] < closest, scale[rows, best] * (levels[0] - levels[1:]), gains)
        closest = np.minimum(sse[rows, best], closest)
    tail = (1.0 - confidence) / 2.0
    bounds = np.quantile(gains, [tail, 1.0 - tail], axis=1)
    level = law.predict(ends)
    estimates = level[0] - level[1:]
    return [
        Interval(estimate, min(low, estimate), max(high, estimate))
        for estimate, low, high in zip(estimates.tolist(), *bounds.tolist(), strict=True)
    ]


def _moving_blocks(residuals: NDArray[np.float64], replicates: int) -> Matrix:
    """``[B, N]`` series glued from blocks of the centred residuals, by a generator seeded with their number."""
    points = len(residuals)
    centred = residuals - residuals.mean()
    length = int(np.ceil(max(2.0 * integrated_autocorrelation_time(centred) + 1.0, points ** (1.0 / 3.0))))
    length = min(length, points)
    generator = np.random.default_rng(points)
    blocks = int(np.ceil(points / length))
    starts = generator.integers(0, points - length + 1, size=(replicates, blocks))
    index = (starts[:, :, None] + np.arange(length)).reshape(replicates, -1)[:, :points]
    return np.asarray(centred[index])
