"""Training loss and learning rate as they were around each validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import Floats
from trainvitals.model import Series
from trainvitals.rules import logging_lines
from trainvitals.rules.alignment import positions
from trainvitals.rules.rule import NotEnough
from trainvitals.view import LossCurve, RunView

INTERVAL_SHARE = 0.5
"""Of the time between two validations, before and after one: what the training loss beside it is the mean of."""


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Both losses at each validation.

    Args:
        step: ``[V]``. val: ``[V]`` validation loss.
        train: ``[V]`` mean of the training losses around it: a mean as the validation loss is one, because the losses
            of single batches lie to one side of it.
    """

    step: NDArray[np.int64]
    val: NDArray[np.float64]
    train: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)

    @property
    def gap(self) -> NDArray[np.float64]:
        """Logarithm of the validation loss over the training loss ``[V]``."""
        return np.asarray(np.log(self.val) - np.log(self.train))


def both_losses(view: RunView) -> tuple[LossCurve, LossCurve] | NotEnough:
    """Training and validation loss of a supervised training, or which of them is missing."""
    train, val = view.train_loss, view.val_loss
    if not view.signals.supervised:
        return NotEnough()
    if train is None or val is None:
        missing = tuple(name for name, loss in (("train_loss", train), ("val_loss", val)) if loss is None)
        return NotEnough(missing, logging_lines.VALIDATION_LOSS)
    return train, val


def beside(train: Series, val: Series) -> Beside | None:
    """Both losses at each validation with a training loss near it; None where one of them is not positive."""
    if len(val) < 2 or len(train) < 2 or float(val.value.min()) <= 0 or float(train.value.min()) <= 0:
        return None
    at, train_at = positions(val, train)
    reach = INTERVAL_SHARE * float(np.median(np.diff(at)))
    low = np.searchsorted(train_at, at - reach, side="left")
    high = np.searchsorted(train_at, at + reach, side="right")
    known = high > low
    summed = np.concatenate([[0.0], np.cumsum(np.asarray(train.value, np.float64))])
    mean = (summed[high] - summed[low])[known] / (high - low)[known]
    kept = np.asarray(mean) > 0
    return Beside(
        np.asarray(val.step)[known][kept], np.asarray(val.value, np.float64)[known][kept], np.asarray(mean)[kept]
    )


def rates_beside(view: RunView, val: Series) -> NDArray[np.float64] | None:
    """The learning rate at each validation ``[V]``; None where it was not logged."""
    rate = view.learning_rate
    if rate is None or not len(rate):
        return None
    val_position, rate_position = positions(val, rate)
    at = np.clip(np.searchsorted(rate_position, val_position, side="right") - 1, 0, None)
    return np.asarray(rate.value, np.float64)[at]


def noise_of(gap: Floats) -> float:
    """Noise of one value of a gap; 0 where there are too few to know it."""
    noise = difference_noise_sd(gap)
    return noise if np.isfinite(noise) else 0.0
