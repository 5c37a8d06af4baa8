"""LRS002: the learning rate is so low that the weights stay where they began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.outcome import Outcome, outcome_of
from trainvitals.rules.updates.small_updates import Standstill, standstill
from trainvitals.view import RunView

THROTTLED_TO = 0.1
EPSILON_SHARE = 0.5
GRADIENT_GONE = 0.1
"""Of the gradient at the start. Without a gradient a higher rate moves nothing either."""

SIGNIFICANT = 3.0
ALIGNED = 0.1
"""Cosine of successive gradients. Where every step finds the slope of the one before, it has not gone anywhere."""

USUAL_RATIO = 3e-4


@dataclass(frozen=True, slots=True)
class Crawl:
    """How little the weights moved, and how little the loss did."""

    still: Standstill
    loss: Outcome


class LearningRateTooLow(Rule[Crawl]):
    """The learning rate is so low that the weights stay where they began.

    What it finds
    -------------
    A training whose loss has gained next to nothing because no update is worth the name, though gradients are there
    and nothing else holds the updates back.

    Why it matters
    --------------
    All steps together move the weights by a percent or less. The training is healthy and would need a hundred times the
    steps; at a higher rate it needs none of them.

    How it is detected
    ------------------
    Over the records in which the rate is at 30 % of its peak or more, the update ratio of the median weight matrix
    (norm of the update over that of the weights) is below `largest_ratio`. Added up over the run, the
    updates could have moved it by no more than `largest_reach` of its size. And the loss has changed by less than
    `smallest_gain` of its first level, give or take twice the error of the two levels. All three must hold.

    Not the rate: a gradient that is gone or does not reach the early layers, clipping that leaves less than a tenth of
    it under an optimizer that does not make up for that, or Adam's epsilon in most weights; those have names of their
    own. Gradients of successive steps that agree (a mean cosine of 0.1 and three standard errors) make it surer;
    gradients that oppose each other acquit.

    False alarms
    ------------
    Warm-ups, the end of a schedule and rates that ran out are left out. A slow training that still gets somewhere is
    not reported. Fine-tuning a model that is already good at its task can look the same in its first steps; so does a
    run of few steps. Biases, gains and embeddings are left out by their names.

    What to try
    -----------
    Three times the rate, then again, until the loss falls visibly within 2 % of the run.

    Sources
    -------
    Karpathy, CS231n notes (ratio of about 1e-3); Smith 2017 (range test); Schneider et al. 2021 (Cockpit) on steps that
    undershoot. The reach is ours: it needs no constant that depends on width or optimizer.
    """

    code = "LRS002"
    name = "learning-rate-too-low"
    summary = "The learning rate is so low that the weights stay where they began."
    reads = (
        "learning_rate",
        "train_loss",
        "val_loss",
        "per_layer.update_ratio",
        "per_layer.weight_norm",
        "per_layer.epsilon_share",
        tags.GRADIENT_COSINE,
        tags.CLIPPED,
        "grad_norm",
    )
    thresholds = (
        Threshold(
            "largest_ratio",
            3e-5,
            "A thirtieth of what is usual. Between 1e-4, which is low, and this a training is slow but gets somewhere.",
            "Karpathy, CS231n notes: about 1e-3 is usual, 1e-4 is low; plain SGD on a smooth task learns at 7e-5",
        ),
        Threshold(
            "largest_reach",
            0.01,
            "Of the size of the median matrix, over the whole run: then the network is still the one it began as.",
            "plain SGD on a smooth task has halved its loss at 0.2; the other clean trainings of the exam reach 1 to 5",
        ),
        Threshold(
            "smallest_gain",
            0.05,
            "Share of its first level. What has gained more is slow and not stuck.",
            "convention",
        ),
    )
    absorbs = ("plateau", "not-learning", "updates-too-small", "underfitting")
    interventions = ("raise-learning-rate", "check-wiring")

    def measure(self, view: RunView) -> Crawl | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss, still = outcome_of(view), standstill(view)
        if still is None:
            return NotEnough(("update_ratio of each layer",), logging_lines.WATCH)
        if loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        return Crawl(still, loss)

    def judge(self, measurement: Crawl, limits: Mapping[str, float]) -> list[Finding]:
        still, loss = measurement.still, measurement.loss
        crawls = 0 < still.ratio < limits["largest_ratio"] and 0 < still.reach < limits["largest_reach"]
        if not (crawls and loss.hardly_moved(limits["smallest_gain"])) or still.warming_up or _held_back(still):
            return []
        score = still.cosine_score
        if score is not None and score < -SIGNIFICANT:
            return []
        agree = score is not None and score > SIGNIFICANT and (still.cosine or 0.0) > ALIGNED
        return [
            self.finding(
                Severity.WARNING,
                0.9 if agree else 0.75,
                f"updates are {still.ratio:.2g} of the weights: the whole run can have moved them by "
                f"{still.reach:.2g} of their size, and {loss.tag} has hardly changed",
                first_step=still.first_step,
                last_step=still.last_step,
                evidence=tuple(_evidence(measurement, limits)),
            )
        ]

    def rule_out(self, measurement: Crawl, limits: Mapping[str, float]) -> Evidence | None:
        still = measurement.still
        if still.ratio < USUAL_RATIO or still.reach < limits["largest_reach"]:
            return None
        return Evidence(
            f"updates are {still.ratio:.2g} of the weights while the rate is open",
            signal=still.tag,
            value=still.ratio,
            threshold=limits["largest_ratio"],
        )


def _held_back(still: Standstill) -> bool:
    """Whether something other than the rate keeps the updates small."""
    throttled = still.throttle < THROTTLED_TO and still.adam is not True
    damped = still.epsilon_share is not None and still.epsilon_share > EPSILON_SHARE
    return still.starved or throttled or damped or still.gradient_share < GRADIENT_GONE


def _evidence(crawl: Crawl, limits: Mapping[str, float]) -> Iterator[Evidence]:
    still, loss = crawl.still, crawl.loss
    yield Evidence(
        f"the update of the median weight matrix is {still.ratio:.2g} of its size (median while the rate is open)",
        signal=still.tag,
        value=still.ratio,
        threshold=limits["largest_ratio"],
    )
    yield Evidence(
        f"all updates together are at most {still.reach:.2g} of its size",
        signal=still.tag,
        value=still.reach,
        threshold=limits["largest_reach"],
    )
    yield loss.gain_against(limits["smallest_gain"])
    if still.cosine is not None:
        yield Evidence(
            f"gradients of successive steps have a mean cosine of {still.cosine:.2f}",
            signal=tags.GRADIENT_COSINE,
            value=still.cosine,
            threshold=ALIGNED,
        )
