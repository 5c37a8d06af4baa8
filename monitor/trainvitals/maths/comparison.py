"""The scale on which the levels of a loss are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.robust import Floats


def comparison_scale(values: Floats) -> tuple[NDArray[np.float64], bool]:
    """``[N]`` finite values as logarithms where none is negative, else as they are; and whether it is the logarithm.

    The noise of a loss grows with its level, and a small loss spans decades: both turn into something even on the
    logarithmic scale. Exact zeros count as half of the smallest positive value, so that they stay the smallest.
    """
    data = np.asarray(values, dtype=np.float64)
    positive = data[data > 0]
    if len(positive) == 0 or bool(np.any(data < 0)):
        return data, False
    smallest = float(positive.min())
    floor = smallest / 2 if smallest / 2 > 0 else smallest
    return np.log(np.maximum(data, floor)), True
