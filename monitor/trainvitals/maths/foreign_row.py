"""Is the last row of a validation curve of another kind than the rows before it?

Frameworks let people call ``validate()`` or ``test()`` once more when training is over. What that logs lands under the
same name, often for other data, and then looks like the best (or the worst) value of the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_ROWS_BEFORE = 5
"""Fewer rows show neither the usual distance between two of them nor the usual change."""

LARGEST_GAP_SHARE = 0.1
"""A row that comes after a tenth of the usual distance or sooner was not written by the schedule of the others."""

SMALLEST_OUTSIDE = 2.0
"""The weights hardly changed since the row before, so the value should not have either. Twice the change that is usual
over a *whole* distance, beyond everything recent, is far more than a second look at the same data can give."""

SMALLEST_RELATIVE_NOISE = 1e-3
"""Rows that repeat to the last digit would make any change infinite; a tenth of a percent is never a foreign row."""


@dataclass(frozen=True, slots=True)
class LastRow:
    """The last row of a curve beside those before it.

    Args:
        step, value: of the last row; previous_step, previous_value: of the row before.
        gap_share: steps since the row before, over the usual distance of two rows.
        outside: how far the value lies outside the range of the recent rows, in units of the usual change from one row
            to the next; 0 inside the range.
    """

    step: int
    value: float
    previous_step: int
    previous_value: float
    gap_share: float
    outside: float

    def is_foreign(
        self, largest_gap_share: float = LARGEST_GAP_SHARE, smallest_outside: float = SMALLEST_OUTSIDE
    ) -> bool:
        """Whether it came out of turn and with a value that the weights before it would not have given."""
        return self.gap_share <= largest_gap_share and self.outside >= smallest_outside


def last_row(step: NDArray[np.int64], value: NDArray[np.floating]) -> LastRow | None:
    """The last row beside those before it, or None where there are too few or the last is not finite.

    Only what was recorded since the steps last went back counts. The changes are those of the logarithm where all
    values are positive, because the noise of a loss is in proportion to it.

    Args:
        step, value: ``[T]`` in the order in which they were recorded.
    """
    if len(step) == 0 or not np.isfinite(value[-1]):
        return None
    backwards = np.flatnonzero(np.diff(step) < 0)
    begin = int(backwards[-1]) + 1 if len(backwards) else 0
    finite = np.isfinite(value[begin:])
    steps, values = step[begin:][finite], np.asarray(value[begin:][finite], dtype=np.float64)
    if len(steps) - 1 < MINIMUM_ROWS_BEFORE:
        return None
    usual_gap = float(np.median(np.diff(steps[:-1])))
    if usual_gap <= 0:
        return None
    return LastRow(
        step=int(steps[-1]),
        value=float(values[-1]),
        previous_step=int(steps[-2]),
        previous_value=float(values[-2]),
        gap_share=float(steps[-1] - steps[-2]) / usual_gap,
        outside=_outside(values),
    )


def _outside(values: NDArray[np.float64]) -> float:
    largest = float(np.abs(values).max())
    if largest == 0.0:
        return 0.0
    positive = bool(np.all(values > 0))
    scaled = np.log(values) if positive else values / largest
    noise_floor = SMALLEST_RELATIVE_NOISE * (1.0 if positive else float(np.median(np.abs(scaled))))
    recent = scaled[:-1][-max(MINIMUM_ROWS_BEFORE, (len(scaled) - 1) // 2) :]
    usual_change = max(float(np.median(np.abs(np.diff(recent)))), noise_floor, float(np.finfo(np.float64).tiny))
    distance = max(float(recent.min() - scaled[-1]), float(scaled[-1] - recent.max()), 0.0)
    return distance / usual_change
