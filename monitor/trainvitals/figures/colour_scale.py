"""From values to colours: logarithmic over powers of ten, two-sided where values have two signs, robust else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.figures import look
from trainvitals.figures.layer_cells import spans_decades
from trainvitals.reporters import wording

# Of a linear scale; what lies beyond has the colour of the end, which says so.
SHOWN_QUANTILES = (0.005, 0.995)
MOST_TICKS = 6
# A zero has no logarithm; it stands so many decades below the least positive value.
ZERO_DECADES = 0.5

# Beyond this, differences overflow.
LARGEST = 1e300

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ColourScale:
    """Where values stand on a scale of colours.

    Args:
        log: whether positions are powers of ten.
        low, high: positions of the ends.
        zero: the position of a value of zero on a logarithmic scale.
        colours: as plotly names them.
        ticks: positions with a label, and words: the labels.
    """

    log: bool
    low: float
    high: float
    zero: float
    colours: str
    ticks: list[float]
    words: list[str]

    def position(self, value: Floats) -> Floats:
        """The positions of values of any shape; NaN for what is not finite."""
        finite = np.where(np.isfinite(value), value, np.nan)
        if not self.log:
            return finite
        positive = finite > 0
        return np.where(positive, np.log10(np.where(positive, finite, 1.0)), np.where(finite == 0, self.zero, np.nan))


def colour_scale(value: Floats) -> ColourScale:
    """A scale on which all of some values, of any shape, are told apart."""
    finite = value[np.isfinite(value)]
    if len(finite) == 0:
        return ColourScale(False, 0.0, 1.0, 0.0, look.SEQUENTIAL_COLOURS, [], [])
    if spans_decades(value):
        return _logarithmic(finite)
    least, greatest = float(finite.min()), float(finite.max())
    low, high = (float(each) for each in np.quantile(np.clip(finite, -LARGEST, LARGEST), SHOWN_QUANTILES))
    colours = look.SEQUENTIAL_COLOURS
    if low < 0 < high:
        high = max(-low, high)
        low, colours = -high, f"{look.DIVERGING_COLOURS}_r"
    if low == high:
        low, high = low - 0.5, high + 0.5
    ticks = np.linspace(low, high, MOST_TICKS - 1).tolist()
    words = [wording.number(tick) for tick in ticks]
    if least < low:
        words[0] = f"≤ {words[0]}"
    if greatest > high:
        words[-1] = f"≥ {words[-1]}"
    return ColourScale(False, low, high, 0.0, colours, ticks, words)


def _logarithmic(finite: Floats) -> ColourScale:
    exponents = np.log10(finite[finite > 0])
    low, high = float(exponents.min()), float(exponents.max())
    every = max(1, int(np.ceil((high - low) / MOST_TICKS)))
    ticks = [float(each) for each in range(int(np.ceil(low)), int(np.floor(high)) + 1) if each % every == 0]
    words = [f"1e{int(tick)}" for tick in ticks]
    zero = low - ZERO_DECADES
    if bool(np.any(finite == 0)):
        low, ticks, words = zero, [zero, *ticks], ["0", *words]
    return ColourScale(True, low, high, zero, look.SEQUENTIAL_COLOURS, ticks, words)
