"""Where one validation loss turned upwards, and what training loss, metrics and learning rate did since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import Floats, block_means, running_median
from trainvitals.maths.turning_point import BLOCKS, TurningPoint, turning_points
from trainvitals.model import Series
from trainvitals.rules.alignment import positions
from trainvitals.rules.generalisation.beside import rates_beside
from trainvitals.signals import Metric
from trainvitals.view import LossCurve, RunView

MINIMUM_VALIDATIONS = 5
MINIMUM_TRAIN_POINTS = 3
METRIC_SCORE = 3.0
"""A metric that got better must have done so by more than its noise; three sigma is the usual line."""

PERCENT = 100.0

RAISED = 2.0
BEEN_THERE = 0.67
"""Of the rate now. A rate that was that high before the best is one that came back, as after a warm restart."""

SAME_RATE = 0.7
"""Of the rate at the peak. A loss that falls at the same rate falls by what is learnt, not by shorter steps."""

FALL_SCORE = 4.0
"""Of the noise of a block: the fall of a loss that has turned once more."""

FEWEST_FALLING = 4
"""Blocks since the peak: the fewest that can show a steady fall."""


@dataclass(frozen=True, slots=True)
class BetterMetric:
    """A metric that got better while the loss rose.

    Args:
        tag: which. at_best, now: its value at the best step of the loss, and at the end.
        gain: share of the mistakes left at the best step that have gone since.
    """

    tag: str
    at_best: float
    now: float
    gain: float


@dataclass(frozen=True, slots=True)
class SuiteTurn:
    """One validation loss and what training did after its best.

    Args:
        suite, tag: which validation.
        turn: of the loss, or of its logarithm where ``relative``.
        relative: whether all values are positive, so that differences are of logarithms.
        best_step, best_value: of the best single value; best_level, end_level: around it and at the end; end_step.
        turned_by_step: the latest step at which it can have turned.
        train_tag: of the training loss.
        train_change: of the training loss (its logarithm where ``relative``) to the last third of what came after the
            best, from the first third of that or the block that led up to the best, whichever shows less of a fall.
        train_noise: of a block of it.
        train_end: the level of the training loss at the end.
        better_metric: a validation metric of the suite that got better meanwhile.
        rate_came_back: the learning rate is higher than at the best, as high as it had been before: the two levels are
            not of the same rate.
        falls_since: the step since which the loss has fallen again, at the same rate, for longer than it had risen.
    """

    suite: str
    tag: str
    turn: TurningPoint
    relative: bool
    best_step: int
    turned_by_step: int
    best_value: float
    best_level: float
    end_step: int
    end_level: float
    train_tag: str
    train_change: float
    train_noise: float
    train_end: float
    better_metric: BetterMetric | None
    rate_came_back: bool
    falls_since: int | None

    @property
    def rise(self) -> float:
        """How much worse than the best: a share of its level, or of what had been gained before."""
        if self.relative:
            with np.errstate(over="ignore"):
                return float(np.expm1(self.turn.rise))
        return self.turn.rise / self.turn.fall if self.turn.fall > 0 else 0.0


def suite_turns(view: RunView, train: Series, loss: LossCurve) -> Iterator[SuiteTurn]:
    """The turn of a loss as its whole curve shows it, then as its beginnings do, which an early best is lost in."""
    relative = bool(np.all(loss.curve.value > 0) and np.all(train.value > 0))
    for turn in turning_points(_scaled(loss.curve.value, relative=relative)):
        made = _suite_turn(view, train, loss, turn, relative=relative)
        if made is not None:
            yield made


def _suite_turn(
    view: RunView, train: Series, loss: LossCurve, turn: TurningPoint, *, relative: bool
) -> SuiteTurn | None:
    val = loss.curve
    val_position, train_position = positions(val, train)
    after = train.take(train_position >= val_position[turn.best_index])
    if len(after) < MINIMUM_TRAIN_POINTS:
        return None
    blocks = block_means(np.arange(len(after), dtype=np.float64), _scaled(after.value, relative=relative), BLOCKS).value
    third = len(blocks) // 3
    scaled = _scaled(train.value, relative=relative)
    end = float(np.median(blocks[-third:]))
    # A collapse right after the best, half of it regained, is a fall since then only to who forgets what was before.
    before = _level_until(scaled, int(np.count_nonzero(train_position <= val_position[turn.best_index])))
    rate = rates_beside(view, val)
    return SuiteTurn(
        suite=loss.suite,
        tag=loss.tag,
        turn=turn,
        relative=relative,
        best_step=int(val.step[turn.best_index]),
        turned_by_step=int(val.step[min(turn.best_index + _points_a_block(len(val)), len(val) - 1)]),
        best_value=float(val.value[turn.best_index]),
        best_level=_unscaled(turn.best_level, relative=relative),
        end_step=int(val.step[-1]),
        end_level=_unscaled(turn.end_level, relative=relative),
        train_tag=train.tag,
        train_change=max(end - float(np.median(blocks[:third])), end - before),
        train_noise=difference_noise_sd(blocks),
        train_end=float(np.median(after.value[-MINIMUM_TRAIN_POINTS:])),
        better_metric=_better_metric(view, loss, int(val.step[turn.best_index])),
        rate_came_back=rate is not None and _came_back(rate, turn.best_index),
        falls_since=None if rate is None else _falls_since(val, turn.best_index, rate, relative=relative),
    )


def _level_until(train: Floats, points: int) -> float:
    """The level of the block of training that leads up to a point; the first points of all where it is early."""
    end = max(MINIMUM_TRAIN_POINTS, points)
    return float(np.median(train[max(0, end - max(MINIMUM_TRAIN_POINTS, len(train) // BLOCKS)) : end]))


def _points_a_block(validations: int) -> int:
    """How closely a turn can be dated: to a block, and never closer than to the next validation."""
    return max(1, -(-validations // BLOCKS))


def _scaled(value: Floats, *, relative: bool) -> Floats:
    """Logarithms where all values are positive: the noise of a loss is in proportion to it."""
    return np.log(value.astype(np.float64)) if relative else value.astype(np.float64)


def _unscaled(value: float, *, relative: bool) -> float:
    return float(np.exp(value)) if relative else value


def _came_back(rate: Floats, best: int) -> bool:
    now = float(np.median(rate[-max(1, (len(rate) - best) // 3) :]))
    # The first validation of a new cycle still has the weights of the last one.
    at_best = float(rate[max(0, best - 1) : best + 1].min())
    return now >= RAISED * at_best and float(rate[: best + 1].max()) >= BEEN_THERE * now


def _falls_since(val: Series, best: int, rate: Floats, *, relative: bool) -> int | None:
    value = _scaled(val.value[best:], relative=relative)
    blocks = block_means(np.arange(len(value), dtype=np.float64), value, BLOCKS)
    smooth = running_median(blocks.value, 3)
    peak = int(np.argmax(smooth))
    falling = smooth[peak:]
    if len(falling) - 1 < max(FEWEST_FALLING, peak):
        return None
    thirds = [float(np.mean(part)) for part in np.array_split(falling, 3)]
    steady = thirds[0] > thirds[1] > thirds[2]
    fell = float(smooth[peak] - smooth[-1]) >= FALL_SCORE * difference_noise_sd(blocks.value)
    index = best + int(blocks.start[peak])
    return int(val.step[index]) if steady and fell and rate[-1] >= SAME_RATE * rate[index] else None


def _better_metric(view: RunView, loss: LossCurve, best_step: int) -> BetterMetric | None:
    for metric in view.signals.metrics:
        if metric.split == "val" and metric.suite == loss.suite:
            better = _metric_since(view, metric, best_step)
            if better is not None:
                return better
    return None


def _metric_since(view: RunView, metric: Metric, best_step: int) -> BetterMetric | None:
    """The metric at the best step of the loss and at the end, if it got better by more than its noise."""
    series = view.series(metric.tag).finite()
    if len(series) < MINIMUM_VALIDATIONS:
        return None
    badness = series.value if metric.better == "down" else -series.value
    turn = next(iter(turning_points(badness)))
    near = int(np.argmin(np.abs(series.step - best_step)))
    at_best = float(np.median(badness[max(0, near - 1) : near + 2]))
    gained = at_best - turn.end_level
    if gained <= METRIC_SCORE * turn.noise or gained <= 0:
        return None
    sign = 1.0 if metric.better == "down" else -1.0
    left = _mistakes_left(series.value, sign * at_best, metric)
    return BetterMetric(metric.tag, sign * at_best, sign * turn.end_level, gained / max(left, gained))


def _mistakes_left(value: Floats, at_best: float, metric: Metric) -> float:
    """What is left to gain: to one or a hundred for a share that should be high, to zero for what should be low."""
    highest = float(np.max(value))
    if metric.better == "down" or highest > PERCENT or float(np.min(value)) < 0:
        return abs(at_best)
    return (1.0 if highest <= 1.0 else PERCENT) - at_best
