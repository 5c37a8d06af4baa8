"""GEN001: validation gets worse while training gets better."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.generalisation.suite_turn import MINIMUM_VALIDATIONS, BetterMetric, SuiteTurn, suite_turns
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

LARGEST_TRAIN_SHARE = 0.25
"""Of the rise of the validation loss. A training loss that rose by a quarter as much is getting worse too."""

TRAIN_SCORE = 2.0
"""A training loss fell if it did so by twice the noise of a block: the usual 5 % level."""

Scales = tuple[SuiteTurn, ...]
"""The turn of one suite, looked for in its whole curve first, then in its beginnings."""


class Overfitting(Rule[tuple[Scales, ...]]):
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
    much; where it fell by more than its noise, the finding is surer. Where the whole curve shows no turn its first
    quarter, sixteenth and so on are looked at, against the same level at the end: a best within the first blocks drowns
    in them. A loss that was best at the end of a cycle of the learning rate is judged when the rate is as low again.
    The two curves are compared by step, or by wall time or relative position where one counts epochs and the other
    iterations.

    A validation loss above the training loss is no sign of overfitting and plays no part, nor does an isolated high
    value. With several validation suites, a warning needs the first of them or at least half. A last row measured on
    other data is left out.

    False alarms
    ------------
    Where validation accuracy rises together with the loss, the model gets more right and is overconfident where it is
    wrong: where at least `smallest_metric_gain` of the mistakes have gone, that is an information. So is a loss that
    has fallen again, at the same rate, for longer than it had risen, as in late generalisation. A validation set that
    changes over time. Deliberate training beyond the best validation loss (double descent, instruction tuning).

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
    reads = ("train_loss", "val_loss", "metrics", "learning_rate")
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
        Threshold(
            "smallest_metric_gain",
            0.05,
            "Of the mistakes left at the best step. A metric that got better by less does not outweigh the loss.",
            "as for the rise of the loss",
        ),
    )
    absorbs = ("plateau", "validation-shift")
    interventions = ("restore-checkpoint", "early-stopping", "more-data", "more-regularisation")

    def measure(self, view: RunView) -> tuple[Scales, ...] | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        train = view.train_loss
        missing = [name for name, found in (("train_loss", train), ("val_loss", view.val_losses)) if not found]
        if train is None or missing:
            return NotEnough(tuple(missing), logging_lines.VALIDATION_LOSS)
        long_enough = [loss for loss in view.val_losses.values() if len(loss) >= MINIMUM_VALIDATIONS]
        if not long_enough:
            return NotEnough(("val_loss",), f"validate at least {MINIMUM_VALIDATIONS} times in a run")
        turns = (tuple(suite_turns(view, train.curve, loss)) for loss in long_enough)
        return tuple(scales for scales in turns if scales)

    def judge(self, measurement: tuple[Scales, ...], limits: Mapping[str, float]) -> list[Finding]:
        found = [next((turn for turn in scales if _has_turned(turn, limits)), None) for scales in measurement]
        turned = [suite for suite in found if suite is not None]
        if not turned:
            return []
        general = found[0] is not None or 2 * len(turned) >= len(measurement)
        turned.sort(key=lambda suite: -suite.turn.score)
        clearest = turned[0]
        metric = _metric_that_counts(clearest, limits)
        overconfident = all(_metric_that_counts(suite, limits) for suite in turned)
        falls_again = all(suite.falls_since is not None for suite in turned)
        severity = Severity.WARNING if general and not overconfident and not falls_again else Severity.INFO
        return [
            self.finding(
                severity,
                _confidence(clearest, limits),
                _summary(clearest, len(turned), len(measurement), metric if overconfident else None),
                first_step=clearest.best_step,
                begins_by=clearest.turned_by_step,
                last_step=clearest.end_step,
                evidence=tuple(fact for suite in turned for fact in _evidence(suite, limits)),
            )
        ]


def _has_turned(suite: SuiteTurn, limits: Mapping[str, float]) -> bool:
    turn = suite.turn
    return (
        suite.rise >= _smallest_rise(suite, limits)
        and turn.blocks_after >= 3
        and turn.low_end > 0
        and turn.score >= turn.score_needed(limits["smallest_score"], limits["false_alarm_rate"])
        and turn.rise >= limits["times_healed_rise"] * turn.healed_rise
        and suite.train_change < LARGEST_TRAIN_SHARE * turn.rise
        and not suite.rate_came_back
    )


def _metric_that_counts(suite: SuiteTurn, limits: Mapping[str, float]) -> BetterMetric | None:
    metric = suite.better_metric
    return metric if metric is not None and metric.gain >= limits["smallest_metric_gain"] else None


def _fell(suite: SuiteTurn) -> bool:
    return suite.train_change < -TRAIN_SCORE * suite.train_noise


def _confidence(suite: SuiteTurn, limits: Mapping[str, float]) -> float:
    needed = suite.turn.score_needed(limits["smallest_score"], limits["false_alarm_rate"])
    if not _fell(suite):
        return 0.7
    if suite.turn.score >= 2 * needed and suite.rise >= 4 * limits["smallest_rise"]:
        return 0.97
    return 0.9 if suite.turn.score >= 1.5 * needed else 0.75


def _summary(suite: SuiteTurn, turned: int, suites: int, metric: BetterMetric | None) -> str:
    of_all = f" in {turned} of {suites} validation suites" if suites > 1 else ""
    rise = f"{suite.rise:.0%} " + ("above its best level" if suite.relative else "of what it had gained lost")
    if metric is not None:
        return (
            f"validation loss rises since step {suite.best_step:,} ({rise}){of_all} while {metric.tag} "
            "still gets better: confidence, not accuracy, suffers"
        )
    if suite.falls_since is not None:
        return (
            f"validation loss is {rise}{of_all}, but falls again since step {suite.falls_since:,}, for longer than it "
            f"rose: late generalisation is possible; the best so far was {suite.best_value:.4g} at step "
            f"{suite.best_step:,}"
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
        metric = suite.better_metric
        way = f"{metric.tag} went from {metric.at_best:.4g} to {metric.now:.4g} meanwhile"
        text = f"{way}: {metric.gain:.1%} of what was left to gain"
        facts.append(Evidence(text, metric.tag, value=metric.gain, threshold=limits["smallest_metric_gain"]))
    return tuple(facts)


def _smallest_rise(suite: SuiteTurn, limits: Mapping[str, float]) -> float:
    return limits["smallest_rise" if suite.relative else "smallest_share_lost"]
