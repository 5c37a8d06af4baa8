"""Where in the run the points of two curves lie, also when one counts epochs and the other iterations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Series

SAME_UNIT_FROM = 1 / 3
"""Two curves of one run in one unit end at similar steps; validation once an epoch ends within the last epoch. One that
ends before a third of the other counts something else (epochs beside iterations)."""


def positions(first: Series, second: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Comparable positions of the points of two curves, ``[T1]`` and ``[T2]``.

    Steps where both count the same; else wall time, where both logs have it; else each curve from 0 to 1.
    """
    ends = sorted((float(first.step[-1]), float(second.step[-1])))
    if ends[0] >= SAME_UNIT_FROM * ends[1]:
        return first.step.astype(np.float64), second.step.astype(np.float64)
    if bool(np.isfinite(first.wall_time).all() and np.isfinite(second.wall_time).all()):
        return first.wall_time, second.wall_time
    return _from_zero_to_one(first), _from_zero_to_one(second)


def _from_zero_to_one(series: Series) -> NDArray[np.float64]:
    span = max(1.0, float(series.step[-1] - series.step[0]))
    return np.asarray((series.step - series.step[0]) / span, dtype=np.float64)
