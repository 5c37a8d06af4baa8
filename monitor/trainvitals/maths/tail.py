"""What holds until the end of a series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def begin_of_tail(holds: NDArray[np.bool_]) -> int | None:
    """Index from which the condition ``[T]`` holds without a break until the end; None where it does not at the end."""
    if len(holds) == 0 or not holds[-1]:
        return None
    broken = np.flatnonzero(~holds)
    return int(broken[-1]) + 1 if len(broken) else 0
