"""How much a level has changed, with an interval that the noise around it allows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.noise import inflation, lag_one_correlation
from trainvitals.maths.robust import Floats, mad_scale

FEWEST_POINTS = 4
"""On each side: fewer give no noise to hold a change against."""

OF_A_MEDIAN = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, for normal noise."""

TWO_SIDED_90 = 1.645
"""Standard errors to each side of a 90 % interval."""

SMALL_SAMPLE = 2.0
"""Added to the interval as ``1 + 2 / points``: about what Student's distribution has over the normal one."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A level before and after, and the change between them.

    Args:
        before, after: medians.
        half_width: of the 90 % interval of ``after - before``.
    """

    before: float
    after: float
    half_width: float

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def low(self) -> float:
        return self.change - self.half_width

    @property
    def high(self) -> float:
        return self.change + self.half_width


def level_change(before: Floats, after: Floats) -> LevelChange | None:
    """The change from ``[N]`` to ``[M]`` finite values, each taken for one level; None where they are too few.

    Correlated noise widens the interval, and so does a trend within either side, which is taken for noise.
    """
    if min(len(before), len(after)) < FEWEST_POINTS:
        return None
    old, new = (np.asarray(part, dtype=np.float64) for part in (before, after))
    error = math.hypot(_error(old), _error(new))
    return LevelChange(float(np.median(old)), float(np.median(new)), TWO_SIDED_90 * error)


def _error(values: Floats) -> float:
    """Standard error of the median."""
    residual = values - np.median(values)
    spread = max(mad_scale(residual), 0.5 * float(np.std(residual)))
    effective = max(1.0, len(values) / inflation(lag_one_correlation(residual)))
    return OF_A_MEDIAN * spread / math.sqrt(effective) * (1.0 + SMALL_SAMPLE / len(values))
