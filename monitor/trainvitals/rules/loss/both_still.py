"""Training and validation loss that both end a whole schedule where they began, as far as their noise lets one see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import block_means, mad_scale
from trainvitals.model import Series, Verdict
from trainvitals.progress.regime import SCHEDULE_END_SHARE
from trainvitals.view import LossCurve, RunView

BLOCKS = 20
"""The first is the beginning; twenty show an excursion in between."""

ONE_SIDED_95 = 1.645
"""The bound of a one-sided 95 % interval for a normal error."""

FEWEST_VALIDATIONS = 8
BEGINS_WITHIN = 0.1
"""Of the steps: a validation loss that begins later has not seen the beginning."""

LOWEST_OF_BLOCKS_SDS = 3.0
"""The lowest of twenty noisy blocks lies so far below their mean."""

NEGLIGIBLE_SHARE = 0.002
"""Of the loss: a fall that is provable but smaller counts for nothing; the smallest gain that is progress."""


@dataclass(frozen=True, slots=True)
class Still:
    """One loss that did not fall provably.

    Args:
        tag: of the loss. start, end: levels of the first twentieth and of the second half.
        gain_high: upper bound of the fall, at 95 %.
    """

    tag: str
    start: float
    end: float
    gain_high: float

    @property
    def share_high(self) -> float:
        """The upper bound as a share of the level."""
        return self.gain_high / abs(self.start) if self.start else float("inf")


@dataclass(frozen=True, slots=True)
class BothStill:
    """The two losses of a run that is over."""

    train: Still
    val: Still


def both_still(view: RunView) -> BothStill | None:
    """What the two losses say together; None unless the schedule has ended and neither fell provably.

    While the rate is up a loss that rests may be on a saddle, which ends by itself; without a rate nothing ends.
    """
    train, val, rate = view.train_loss, view.val_loss, view.learning_rate
    if train is None or val is None or not _has_ended(rate) or min(len(train), len(val)) < FEWEST_VALIDATIONS:
        return None
    first, last = int(train.curve.step[0]), int(train.curve.step[-1])
    begins = int(val.curve.step[0])
    if begins > first + BEGINS_WITHIN * (last - first):
        return None
    if any(view.assess(loss).verdict is Verdict.PROGRESSING for loss in (train, val)):
        return None
    # The validation loss must show no fall; the other, which is noisier, must only not contradict it.
    still = _still(train, begins, LOWEST_OF_BLOCKS_SDS), _still(val, begins, ONE_SIDED_95)
    return None if still[0] is None or still[1] is None else BothStill(still[0], still[1])


def _still(loss: LossCurve, since_step: int, provable_sds: float) -> Still | None:
    """One loss; None where it fell provably from a step on, or was lower for a while."""
    step = np.asarray(loss.curve.step, dtype=np.float64)
    blocks = block_means(step, np.asarray(loss.curve.value, dtype=np.float64), min(BLOCKS, len(loss)))
    level, half = blocks.value, len(blocks) // 2
    end = float(np.median(level[half:]))
    # The noise of a schedule that ends shrinks; that of the first blocks counts for the beginning.
    noise_sd = max(mad_scale(level[half:]), difference_noise_sd(level), difference_noise_sd(level[:half]))
    error = noise_sd * float(np.sqrt(1.0 + 1.0 / (len(level) - half)))
    start = float(level[0])
    begins = int(np.searchsorted(blocks.start, int(np.searchsorted(step, since_step))))
    fall = float(level[min(begins, half)]) - end
    negligible = NEGLIGIBLE_SHARE * abs(start)
    if fall > provable_sds * error and fall + ONE_SIDED_95 * error > negligible:
        return None
    if start - float(level.min()) > max(start - end, negligible) + LOWEST_OF_BLOCKS_SDS * noise_sd:
        return None
    return Still(loss.tag, start, end, start - end + ONE_SIDED_95 * error)


def _has_ended(rate: Series | None) -> bool:
    return rate is not None and len(rate) > 1 and float(rate.value[-1]) < SCHEDULE_END_SHARE * float(rate.value.max())
