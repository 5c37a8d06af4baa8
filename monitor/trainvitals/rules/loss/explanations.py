"""What explains that a loss goes up, without anything being wrong."""

from __future__ import annotations

import numpy as np

from trainvitals.model import Series
from trainvitals.view import RunView

# A learning rate that grows by this factor within a few points was raised; a warm-up is spread over more of them.
RATE_RAISED = 1.3
# A validation loss within this share of its best before the onset did not go along with the training loss.
VALIDATION_UNMOVED = 0.05


def rate_raised(rate: Series | None, curve: Series, index: int, *, within: int, again: bool = False) -> bool:
    """Whether the learning rate was raised around a point of a loss.

    Args:
        rate: the learning rate, if it was logged.
        curve, index: the loss, and its point.
        within: how many points before and after it count as around.
        again: only if the rate had been as high before, as with warm restarts.
    """
    if rate is None:
        return False
    begin, end = curve.step[max(0, index - within)], curve.step[min(len(curve) - 1, index + within)]
    before = rate.value[rate.step <= begin]
    around = rate.value[(rate.step >= begin) & (rate.step <= end)]
    if len(before) == 0 or len(around) == 0 or not float(around.max()) > 0:
        return False
    highest = float(around.max())
    as_before = float(before.max()) * RATE_RAISED >= highest
    return highest >= RATE_RAISED * float(before[-1]) and (as_before or not again)


def unmoved_validation(view: RunView, onset_step: int) -> str | None:
    """A validation loss that is still at its best in the second half of what followed a step; its tag, or None."""
    for loss in view.val_losses.values():
        step, value = loss.curve.step, loss.curve.value
        if len(step) == 0 or int(step[-1]) <= onset_step:
            continue
        before, late = value[step <= onset_step], value[2 * step > onset_step + int(step[-1])]
        best = float(before.min(initial=np.inf))
        if float(np.median(late)) <= best + VALIDATION_UNMOVED * abs(best) < np.inf:
            return loss.tag
    return None
