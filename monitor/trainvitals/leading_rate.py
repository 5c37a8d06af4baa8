"""Which of several learning rates speaks for the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Series

# Below this share of its typical level a rate moves nothing; it keeps logarithms finite.
LOWEST_SHARE = 1e-4


def leading_rate(rates: Sequence[Series]) -> Series | None:
    """The parameter group whose schedule is closest to the median schedule of all groups.

    Groups differ by constant factors (a small rate for the backbone, a large one for the head), so schedules are
    compared in multiples of their typical level. Some recipes start one group, such as the biases, far above its
    later rate while the others warm up; the median of three leaves it out. Of two groups the one with the lower peak
    over its typical level is taken, for the same reason; of equal ones that with the largest rate.

    Args:
        rates: finite, steps strictly increasing, none empty. Logged at different steps, they cannot be compared step
            by step: then the one with the largest peak speaks.
    """
    if len(rates) < 2 or any(not np.array_equal(rate.step, rates[0].step) for rate in rates):
        return max(rates, key=_peak, default=None)
    moving = [rate for rate in rates if _peak(rate) > 0]
    if len(moving) < 2:
        return max(rates, key=_peak)
    shares = np.log([np.maximum(rate.value / _typical(rate), LOWEST_SHARE) for rate in moving])
    distances = np.abs(shares - np.median(shares, axis=0)).mean(axis=1)
    # Distances of equal schedules differ in the last digits.
    order = [
        (round(float(distance), 9), round(_peak(rate) / _typical(rate), 9), -_peak(rate))
        for rate, distance in zip(moving, distances, strict=True)
    ]
    return moving[order.index(min(order))]


def _peak(rate: Series) -> float:
    return float(rate.value.max())


def _typical(rate: Series) -> float:
    positive: NDArray[np.floating] = rate.value[rate.value > 0]
    return float(np.median(positive))
