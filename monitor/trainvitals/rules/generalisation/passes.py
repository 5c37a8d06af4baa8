"""How often a training has gone through its data, as far as the log says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Series
from trainvitals.view import RunView

FEWEST_RECORDS = 5
FIRST_EPOCHS = (0.0, 1.0)
"""Where loops begin to count. A count that begins later is that of a run that continues another."""

SECOND_PASS_FROM = 1.5
"""Passes at which an example or two that came twice by chance are no longer a chance."""

LARGEST_RATIO = 1e9
HALVINGS = 80
SMOOTHED_RECORDS = 5
READS = ("train_loss", "val_loss", "epoch", tags.BATCH_SEEN_BEFORE)


@dataclass(frozen=True, slots=True)
class Passes:
    """Passes over the training data.

    Args:
        total: by the end of the log. signal: the tag that says so.
        first_until: the last step at which no example had come twice; before the first step where that is not known.
    """

    total: float
    signal: str
    first_until: int


def passes_of(view: RunView) -> Passes | None:
    """The passes over the training data; None where neither epochs nor examples seen before were logged.

    A log with both losses at every step, counted from 0 or 1, has a row for each epoch: nobody validates more often.
    """
    if view.signals.epoch:
        epoch = view.series(view.signals.epoch[0]).finite()
        if len(epoch) >= 2:
            return _by_epoch(epoch)
    seen = view.recorded(tags.BATCH_SEEN_BEFORE)
    return _by_rows(view) if seen is None or len(seen) < FEWEST_RECORDS else _by_examples(seen)


def _by_rows(view: RunView) -> Passes | None:
    train, val = view.train_loss, view.val_loss
    if train is None or val is None or len(val) < FEWEST_RECORDS:
        return None
    step = val.curve.step
    every_step = bool((np.diff(step) == 1).all()) and float(step[0]) in FIRST_EPOCHS
    if not every_step or not np.array_equal(train.curve.step, step):
        return None
    return Passes(float(len(step)), val.tag, int(step[0]))


def _by_epoch(epoch: Series) -> Passes:
    value = np.asarray(epoch.value, np.float64)
    counts_from = float(value[0])
    if bool((value == np.round(value)).all()):
        if counts_from not in FIRST_EPOCHS:
            return Passes(float(value[-1]), epoch.tag, int(epoch.step[0]) - 1)
        first = epoch.step[value <= counts_from]
        return Passes(float(value[-1]) - counts_from + 1.0, epoch.tag, int(first[-1]))
    if counts_from > 1.0:
        return Passes(float(value[-1]), epoch.tag, int(epoch.step[0]) - 1)
    return Passes(float(value[-1]), epoch.tag, int(epoch.step[value <= 1.0][-1]))


def _by_examples(seen: Series) -> Passes:
    """In the n-th pass over shuffled data an earlier record held a share of ``1 - (1 - 1 / every) ** (n - 1)``."""
    every = float(np.median(np.diff(seen.step)))
    unseen_a_pass = 1.0 - 1.0 / max(2.0, every)
    share = np.asarray(seen.value, np.float64)
    width = min(SMOOTHED_RECORDS, len(share))
    smooth = np.convolve(share, np.ones(width) / width, mode="valid")
    again = np.flatnonzero(smooth > 1.0 - unseen_a_pass ** (SECOND_PASS_FROM - 1.0))
    until = int(seen.step[-1]) if not len(again) else int(seen.step[again[0]]) - 1
    return Passes(passes_by_new_examples(seen), seen.tag, until)


def passes_by_new_examples(seen: Series) -> float:
    """How often each example was seen, at least once, if batches are drawn at random from a fixed set.

    With x the examples in the set over those in all records, the share of new ones is x (1 - exp(-1 / x)).
    """
    new = float(1.0 - np.mean(np.clip(seen.value, 0.0, 1.0)))
    spacing = (int(seen.step[-1]) - int(seen.step[0])) / (len(seen) - 1)
    low, high = 1.0 / LARGEST_RATIO, LARGEST_RATIO
    for _ in range(HALVINGS):
        ratio = float(np.sqrt(low * high))
        low, high = (ratio, high) if -ratio * np.expm1(-1.0 / ratio) < new else (low, ratio)
    return max(1.0, spacing / low)
