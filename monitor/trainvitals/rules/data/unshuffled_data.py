"""DAT003: the data come in the same order in every epoch, and the loss shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.data.batch_cycle import returns
from trainvitals.rules.loss.loss_period import LossPeriod, loss_period
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

FEWEST_RETURNS = 5
WHOLE = 0.1
"""Of a period, or a twentieth of its multiple: how near to a whole number of periods an epoch must be."""

SURE, LIKELY, NOTED = 0.95, 0.85, 0.6


@dataclass(frozen=True, slots=True)
class Order:
    """The order of the data.

    Args:
        period: of the training loss, if it has one.
        returns: recorded batches that had been recorded before; regular: the share of them after the usual distance.
        distance_steps: the usual distance between two records of one batch.
        different: how many different batches were recorded.
        epoch_steps: length of an epoch, where epochs were logged.
    """

    period: LossPeriod | None
    returns: int
    regular: float
    distance_steps: int
    different: int
    epoch_steps: float | None
    first_step: int
    last_step: int


class UnshuffledData(Rule[Order]):
    """The data come in the same order in every epoch, and the loss swings with it.

    What it finds
    -------------
    A training loss with a period that is the epoch, or a part of it. As an information: batches that come in the same
    order in every epoch, though the loss does not show it.

    Why it matters
    --------------
    Data that lie sorted by class, length or source make neighbouring batches alike: the model unlearns in one part of
    the epoch what it learnt in another, and batch normalisation sees one class at a time.

    How it is detected
    ------------------
    The period of the loss is found as for periodic-loss. The order is known from the checksums of recorded batches: at
    least five came again, `smallest_regular_share` of them after one and the same distance. A warning needs both, and a
    distance of a whole number of periods; or, where epochs were logged, an epoch of a whole number of periods. A loss
    that swings with the learning rate, by less than `smallest_swing`, or without order within the epoch, is not held
    against the data.

    False alarms
    ------------
    A fixed order is harmless where the examples lie in random order to begin with: an information. Data that are gone
    through in order on purpose (a curriculum within each epoch, text read continuously by a recurrent network).

    What to try
    -----------
    Shuffle anew in every epoch; with several processes, tell the sampler the epoch.

    Sources
    -------
    Bengio 2012, "Practical recommendations for gradient-based training of deep architectures", section 3.1. Meng et al.
    2019, "Convergence analysis of distributed stochastic gradient descent with shuffling".
    """

    code = "DAT003"
    name = "unshuffled-data"
    summary = "The data come in the same order in every epoch, and the loss shows it."
    reads = (tags.BATCH_CHECKSUM, "train_loss", "learning_rate", "epoch")
    thresholds = (
        Threshold(
            "smallest_regular_share",
            0.9,
            "Of the batches that came again: all but those around a restart of the iterator.",
            "convention",
        ),
        Threshold("smallest_swing", 0.1, "Of the level of the loss: what one sees in a plot.", "as for loss-spikes"),
        Threshold(
            "largest_rate_share",
            0.25,
            "Of the variance of the learning rate that the period explains: then it comes from the schedule.",
            "as for periodic-loss",
        ),
    )
    absorbs = (
        "periodic-loss",
        "oscillating-loss",
        "loss-spikes",
        "diverging-loss",
        "not-learning",
        "plateau",
        "bad-batches",
        "vanishing-gradients",
        "dead-units",
        "exploding-gradients",
        "representation-collapse",
        "gradient-noise-dominates",
        "learning-rate-too-high",
    )
    interventions = ("shuffle-data",)

    def measure(self, view: RunView) -> Order | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        checksum, period = view.recorded(tags.BATCH_CHECKSUM), loss_period(view)
        epoch = view.series(view.signals.epoch[0]).finite() if view.signals.epoch else None
        epoch_steps = None if epoch is None else _epoch_steps(epoch)
        if checksum is None and epoch_steps is None:
            return NotEnough((tags.BATCH_CHECKSUM,), logging_lines.WATCH)
        distance = np.empty(0) if checksum is None else returns(checksum)
        usual, count = np.unique(distance, return_counts=True)
        return Order(
            period=period,
            returns=len(distance),
            regular=float(count.max() / len(distance)) if len(distance) else 0.0,
            distance_steps=int(usual[np.argmax(count)]) if len(distance) else 0,
            different=0 if checksum is None else len(np.unique(checksum.value)),
            epoch_steps=epoch_steps,
            first_step=view.run.first_step or 0,
            last_step=view.run.last_step or 0,
        )

    def judge(self, measurement: Order, limits: Mapping[str, float]) -> list[Finding]:
        period = measurement.period
        swings = period is not None and period.is_harmful(limits) and period.by_rate <= limits["largest_rate_share"]
        same_order = (
            measurement.returns >= FEWEST_RETURNS
            and measurement.different > 1
            and measurement.regular >= limits["smallest_regular_share"]
        )
        by_checksum = swings and same_order and _is_whole(measurement.distance_steps, period)
        by_epoch = swings and _is_whole(measurement.epoch_steps, period)
        if not same_order and not by_epoch:
            return []
        warns = by_checksum or by_epoch
        swing = f"; {period.tag} swings by {period.swing:.0%} with it" if warns and period is not None else ""
        what = (
            f"the same batches come again every {measurement.distance_steps:,} steps"
            if same_order
            else f"an epoch has {measurement.epoch_steps:,.4g} steps"
        )
        return [
            self.finding(
                Severity.WARNING if warns else Severity.INFO,
                SURE if by_checksum else LIKELY if by_epoch else NOTED,
                f"the data come in the same order in every epoch{swing}",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=(
                    Evidence(what, signal=tags.BATCH_CHECKSUM if same_order else None, value=measurement.regular),
                    *(_of_period(period, limits) if warns and period is not None else ()),
                ),
            )
        ]

    def rule_out(self, measurement: Order, limits: Mapping[str, float]) -> Evidence | None:  # noqa: ARG002
        if measurement.period is not None or measurement.different == 0:
            return None
        text = f"the loss has no period, and {measurement.returns} of the recorded batches came again"
        return Evidence(text, tags.BATCH_CHECKSUM, measurement.returns, FEWEST_RETURNS)


def _of_period(period: LossPeriod, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    text = f"{period.tag} has a period of {period.steps:,.4g} steps, which explains {period.share:.0%} of how it varies"
    return (Evidence(text, signal=period.tag, value=period.swing, threshold=limits["smallest_swing"]),)


def _is_whole(steps: float | None, period: LossPeriod | None) -> bool:
    """Whether so many steps are a whole number of periods, as closely as the period is known."""
    if not steps or period is None:
        return False
    times = steps / period.steps
    return times > 1 - WHOLE and abs(times - round(times)) <= min(max(WHOLE, times / 20), 2 * WHOLE)


def _epoch_steps(epoch: Series) -> float | None:
    """Steps from one epoch to the next; None where fewer than two began."""
    number = np.floor(np.asarray(epoch.value, dtype=np.float64))
    begins = epoch.step[1:][np.diff(number) > 0]
    return float(np.median(np.diff(begins))) if len(begins) >= 2 else None
