"""Which part of the value axis is shown: all, unless a few values are so far off that the rest would be a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A value is left out that lies further beyond the middle of its curve than so many times the width of that middle.
# Generous: a loss that falls from ln(vocabulary) stays whole, a first value thousands of times the rest does not.
FARTHEST_MIDDLES = 10.0
MIDDLE = (0.1, 0.9)
# Fewer values have no middle.
FEWEST_VALUES = 5
PADDING = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The ends of a value axis.

    Args:
        low, high: as plotly takes them: exponents of ten on a logarithmic axis.
        above, below: how many values lie beyond the ends; greatest, least: how far they go.
    """

    low: float
    high: float
    above: int = 0
    below: int = 0
    greatest: float = math.nan
    least: float = math.nan

    @property
    def ends(self) -> list[float]:
        """As plotly takes them."""
        return [self.low, self.high]


def value_range(curves: Sequence[Floats], *, log: bool = False) -> ValueRange | None:
    """The range in which every curve is readable; None without a value that can be shown.

    On a logarithmic axis nothing is left out.

    Args:
        curves: each ``[N]`` finite values.
    """
    shown = [curve[curve > 0] if log else curve for curve in curves]
    shown = [curve for curve in shown if len(curve)]
    if not shown:
        return None
    if log:
        together = np.log10(np.concatenate(shown))
        return ValueRange(*_padded(float(together.min()), float(together.max())))
    lows, highs = zip(*(_readable(curve) for curve in shown), strict=True)
    low, high = min(lows), max(highs)
    together = np.concatenate(shown)
    return ValueRange(
        *_padded(low, high),
        above=int(np.count_nonzero(together > high)),
        below=int(np.count_nonzero(together < low)),
        greatest=float(together.max()),
        least=float(together.min()),
    )


def _readable(curve: Floats) -> tuple[float, float]:
    low, high = float(curve.min()), float(curve.max())
    if len(curve) < FEWEST_VALUES:
        return low, high
    # Halved, so that no width overflows.
    half = curve / 2
    lower = float(np.quantile(half, MIDDLE[0], method="higher"))
    upper = float(np.quantile(half, MIDDLE[1], method="lower"))
    width = upper - lower
    if width <= 0:
        return low, high
    floor, ceiling = lower - FARTHEST_MIDDLES * width, upper + FARTHEST_MIDDLES * width
    inside = curve[(half >= floor) & (half <= ceiling)]
    return float(inside.min()), float(inside.max())


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = PADDING * (high - low)
    if not margin > 0 or not math.isfinite(margin):
        margin = 0.0 if high > low else (abs(high) or 1.0) * PADDING
    largest = float(np.finfo(np.float64).max)
    return max(low - margin, -largest), min(high + margin, largest)
