"""GEN001: validation gets worse while training gets better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import Floats, block_means
from trainvitals.maths.turning_point import BLOCKS, TurningPoint, turning_point
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.alignment import positions
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.signals import Metric
from trainvitals.view import LossCurve, RunView

MINIMUM_VALIDATIONS = 5
MINIMUM_TRAIN_POINTS = 3
LARGEST_TRAIN_SHARE = 0.25
"""Of the rise of the validation loss. A training loss that rose by a quarter as much is getting worse too."""

TRAIN_SCORE = 2.0
"""A training loss fell if it did so by twice the noise of a block: the usual 5 % level."""

METRIC_SCORE = 3.0
"""A metric that got better must have done so by more than its noise; three sigma is the usual line."""


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
        better_metric: a validation metric of the suite that got better meanwhile, with its two values.
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
    better_metric: tuple[str, float, float] | None

    @property
    def rise(self) -> float:
        """How much worse than the best: a share of its level, or of what had been gained before."""
        if self.relative:
            with np.errstate(over="ignore"):
                return float(np.expm1(self.turn.rise))
        return self.turn.rise / self.turn.fall if self.turn.fall > 0 else 0.0


class Overfitting(Rule[tuple[SuiteTurn, ...]]):
    """Validation loss has turned upwards and stays there, while training loss does not.

    What it finds
    -------------
    A validation loss that reached its best some time ago and has risen since, by more than its noise and more than it
    ever rose and recovered from before, while the training loss did not get worse. It names the step of the best value.

    Why it matters
    --------------
    From the best step on, training makes the model worse on data that it has not seen. The checkpoint at the end is
    not the one to keep, and every further step is wasted.

    How it is detected
    ------------------
    The validation loss (its logarithm, where it is positive) becomes at most twenty block means. The best is the
    lowest running median of three blocks, so that a single lucky value is none. The level at the end is the median of
    the last third of the blocks after the best, at least three. A finding needs all of: a rise of at least
    `smallest_rise`; a rise of at least `smallest_score` times the noise of a block, more where few blocks leave the
    noise badly known; at most one block at the end back at the best level; a rise of at least `times_healed_rise` times
    the largest rise that the curve has undone before. Meanwhile the training loss must not have risen by a quarter as
    much; where it fell by more than its noise, the finding is surer. The two curves are compared by step, or by wall
    time or relative position where one counts epochs and the other iterations.

    A validation loss above the training loss is no sign of overfitting and plays no part, nor does an isolated high
    value. With several validation suites, a warning needs the first of them or at least half. A last row measured on
    other data is left out.

    False alarms
    ------------
    Where validation accuracy rises together with the loss, the model gets more right and is overconfident where it is
    wrong: that is reported as an information. A validation set that changes over time. Deliberate training beyond the
    best validation loss (double descent, instruction tuning).

    What to try
    -----------
    Keep the checkpoint of the best step and stop there; more, or more varied, data; weight decay or dropout.

    Sources
    -------
    Prechelt 1998, "Early stopping - but when?": its generalisation loss GL is the rise measured here. The tests on
    noise and on earlier rises are ours, because GL alone fires at a single noisy minimum.
    """

    code = "GEN001"
    name = "overfitting"
    summary = "Validation loss rises while training loss does not."
    reads = ("train_loss", "val_loss", "metrics")
    thresholds = (
        Threshold(
            "smallest_rise",
            0.05,
            "A rise of the validation loss over its best that is worth acting on, as a share of its level.",
            "generalisation loss of 5 %, the strictest of the classic stopping criteria (Prechelt 1998)",
        ),
        Threshold(
            "smallest_share_lost",
            0.25,
            "Where a loss is not positive it has no relative level; then a quarter of what was gained must be lost.",
            "convention",
        ),
        Threshold(
            "smallest_score",
            4.0,
            "The rise over the noise of a block. The best is the lowest of up to twenty blocks, which noise alone "
            "lowers by 1.9 of its standard deviations; four leaves two beyond that.",
            "expected minimum of twenty normal values",
        ),
        Threshold(
            "false_alarm_rate",
            0.005,
            "Few blocks know their noise badly; the score needed grows as Student's t does at this rate.",
            "convention",
        ),
        Threshold(
            "times_healed_rise",
            3.0,
            "A curve that has risen and recovered before may do so again; a turn must be clearly larger.",
            "in our labelled logs saw-teeth have a ratio below 1, overfitted runs one of at least 8",
        ),
    )
    absorbs = ("plateau", "validation-shift")
    interventions = ("restore-checkpoint", "early-stopping", "more-data", "more-regularisation")

    def measure(self, view: RunView) -> tuple[SuiteTurn, ...] | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        train = view.train_loss
        missing = [name for name, found in (("train_loss", train), ("val_loss", view.val_losses)) if not found]
        if train is None or missing:
            return NotEnough(tuple(missing), logging_lines.VALIDATION_LOSS)
        long_enough = [loss for loss in view.val_losses.values() if len(loss) >= MINIMUM_VALIDATIONS]
        if not long_enough:
            return NotEnough(("val_loss",), f"validate at least {MINIMUM_VALIDATIONS} times in a run")
        turns = (_suite_turn(view, train.curve, loss) for loss in long_enough)
        return tuple(turn for turn in turns if turn is not None)

    def judge(self, measurement: tuple[SuiteTurn, ...], limits: Mapping[str, float]) -> list[Finding]:
        turned = [suite for suite in measurement if _has_turned(suite, limits)]
        if not turned:
            return []
        general = turned[0] is measurement[0] or 2 * len(turned) >= len(measurement)
        turned.sort(key=lambda suite: -suite.turn.score)
        clearest = turned[0]
        overconfident = all(suite.better_metric for suite in turned)
        severity = Severity.WARNING if general and not overconfident else Severity.INFO
        return [
            self.finding(
                severity,
                _confidence(clearest, limits),
                _summary(clearest, len(turned), len(measurement), overconfident=overconfident),
                first_step=clearest.best_step,
                begins_by=clearest.turned_by_step,
                last_step=clearest.end_step,
                evidence=tuple(fact for suite in turned for fact in _evidence(suite, limits)),
            )
        ]


def _suite_turn(view: RunView, train: Series, loss: LossCurve) -> SuiteTurn | None:
    val = loss.curve
    relative = bool(np.all(val.value > 0) and np.all(train.value > 0))
    turn = turning_point(_scaled(val.value, relative=relative))
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


def _has_turned(suite: SuiteTurn, limits: Mapping[str, float]) -> bool:
    turn = suite.turn
    return (
        suite.rise >= _smallest_rise(suite, limits)
        and turn.blocks_after >= 3
        and turn.low_end > 0
        and turn.score >= turn.score_needed(limits["smallest_score"], limits["false_alarm_rate"])
        and turn.rise >= limits["times_healed_rise"] * turn.healed_rise
        and suite.train_change < LARGEST_TRAIN_SHARE * turn.rise
    )


def _fell(suite: SuiteTurn) -> bool:
    return suite.train_change < -TRAIN_SCORE * suite.train_noise


def _better_metric(view: RunView, loss: LossCurve, best_step: int) -> tuple[str, float, float] | None:
    for metric in view.signals.metrics:
        if metric.split == "val" and metric.suite == loss.suite:
            change = _metric_change(view, metric, best_step)
            if change is not None:
                return (metric.tag, *change)
    return None


def _metric_change(view: RunView, metric: Metric, best_step: int) -> tuple[float, float] | None:
    """The metric at the best step of the loss and at the end, if it got better by more than its noise."""
    series = view.series(metric.tag).finite()
    if len(series) < MINIMUM_VALIDATIONS:
        return None
    badness = series.value if metric.better == "down" else -series.value
    turn = turning_point(badness)
    near = int(np.argmin(np.abs(series.step - best_step)))
    at_best = float(np.median(badness[max(0, near - 1) : near + 2]))
    gained = at_best - turn.end_level
    if gained <= METRIC_SCORE * turn.noise or gained <= 0:
        return None
    sign = 1.0 if metric.better == "down" else -1.0
    return sign * at_best, sign * turn.end_level


def _confidence(suite: SuiteTurn, limits: Mapping[str, float]) -> float:
    needed = suite.turn.score_needed(limits["smallest_score"], limits["false_alarm_rate"])
    if not _fell(suite):
        return 0.7
    if suite.turn.score >= 2 * needed and suite.rise >= 4 * limits["smallest_rise"]:
        return 0.97
    return 0.9 if suite.turn.score >= 1.5 * needed else 0.75


def _summary(suite: SuiteTurn, turned: int, suites: int, *, overconfident: bool) -> str:
    of_all = f" in {turned} of {suites} validation suites" if suites > 1 else ""
    rise = f"{suite.rise:.0%} " + ("above its best level" if suite.relative else "of what it had gained lost")
    if overconfident and suite.better_metric is not None:
        return (
            f"validation loss rises since step {suite.best_step:,} ({rise}){of_all} while {suite.better_metric[0]} "
            "still gets better: confidence, not accuracy, suffers"
        )
    return f"validation loss is {rise}{of_all}; the best was {suite.best_value:.4g} at step {suite.best_step:,}"


def _evidence(suite: SuiteTurn, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    train_change = f"{np.expm1(suite.train_change):+.0%}" if suite.relative else f"{suite.train_change:+.4g}"
    facts = [
        Evidence(
            f"{suite.tag} was level at {suite.best_level:.4g} around step {suite.best_step:,} and is at "
            f"{suite.end_level:.4g} at the end: {suite.rise:+.0%}, {suite.turn.score:.1f} times its noise",
            signal=suite.tag,
            value=suite.rise,
            threshold=_smallest_rise(suite, limits),
            step=suite.best_step,
        ),
        Evidence(
            f"{suite.train_tag} changed by {train_change} meanwhile, to {suite.train_end:.4g}",
            signal=suite.train_tag,
            value=suite.train_change,
            threshold=0.0,
            step=suite.end_step,
        ),
    ]
    if suite.better_metric is not None:
        tag, before, after = suite.better_metric
        facts.append(
            Evidence(f"{tag} went from {before:.4g} to {after:.4g} meanwhile", tag, value=after, threshold=before)
        )
    return tuple(facts)


def _smallest_rise(suite: SuiteTurn, limits: Mapping[str, float]) -> float:
    return limits["smallest_rise" if suite.relative else "smallest_share_lost"]
