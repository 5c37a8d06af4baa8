"""After how many steps the batches really come again, where only some of the steps were recorded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Series

REGULAR_SHARE = 0.9
"""Of the returns of a batch: they come at one distance."""

CLEARLY_LESS = 0.7
"""Times what the loss changes over other distances: batches differ from one another, one batch differs from itself
only by what was learnt meanwhile."""

FEWEST_CYCLES = 10


def returns(checksum: Series) -> NDArray[np.int64]:
    """Steps between one record of a batch and the next record of the same."""
    order = np.lexsort((checksum.step, checksum.value))
    step, value = checksum.step[order], checksum.value[order]
    return np.asarray(np.diff(step)[np.diff(value) == 0], dtype=np.int64)


def regular_return(checksum: Series) -> int | None:
    """The distance at which recorded batches return; None where there is no single one.

    The real cycle is this or a part of it: of 40 batches in fixed order, recorded at every tenth step, one sees four.
    """
    distance = returns(checksum)
    if len(distance) == 0:
        return None
    each, count = np.unique(distance, return_counts=True)
    most = int(np.argmax(count))
    return int(each[most]) if count[most] >= REGULAR_SHARE * len(distance) else None


def batch_cycle(loss: Series, regular: int) -> int | None:
    """The number of batches in a cycle: the smallest part of the regular distance after which the loss of each step is
    like itself, and after other distances it is not. None where the loss of every step is not there or does not tell.

    The later half of the run is asked first: in the earlier the loss changes by learning too. But in the later there
    may be little left that tells batches apart.
    """
    if len(loss) < 2 or float(np.median(np.diff(loss.step))) != 1 or not float(loss.value.min()) > 0:
        return None
    early, late = np.array_split(np.log(np.asarray(loss.value, dtype=np.float64)), 2)
    return _cycle(late, regular) or _cycle(early, regular)


def _cycle(value: NDArray[np.float64], regular: int) -> int | None:
    if len(value) < FEWEST_CYCLES * regular:
        return None
    lags = np.arange(1, regular + 1)
    change = np.array([float(np.median(np.abs(value[lag:] - value[:-lag]))) for lag in lags])
    for cycle in lags[regular % lags == 0]:
        same = lags % cycle == 0
        if cycle > 1 and float(change[same].max()) < CLEARLY_LESS * float(change[~same].min()):
            return int(cycle)
    return None
