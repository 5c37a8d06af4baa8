"""LRS005: the loss no longer falls, and the learning rate has never come down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Reason, Severity, Verdict
from trainvitals.progress import Assessment
from trainvitals.rules import logging_lines
from trainvitals.rules.gradients.noise_and_batch import READS as NOISE_READS
from trainvitals.rules.gradients.noise_and_batch import noise_and_batch
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.sizes import update_sizes
from trainvitals.view import RunView

MINIMUM_RATES = 5
REACHED_SHARE = 0.99
"""Of the peak: from there on a warm-up is over."""

NEEDS_NO_SCHEDULE = re.compile(r"schedule.?free|lbfgs|prodigy|dadapt|d_adapt", re.IGNORECASE)
"""Optimizers that average, search or set their own rate; a decay is not what they lack."""

STILL_IMPROVING = (Verdict.PROGRESSING, Verdict.SLOW)

SMALL_UPDATES = 1e-4
"""Of the weights. Where steps are so small, it is not their noise that holds the loss (CS231n notes: low)."""

NOISE_OF_THE_BATCH = 1.0
"""There half of the progress of a step is lost to noise (McCandlish et al. 2018)."""

SURE, NOTED = 0.75, 0.6
"""With both a proved plateau and a noise scale that says so, and with one of them."""


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """A learning rate beside a loss that no longer falls.

    Args:
        tag: of the rate; peak: its height. least_since: the smallest rate since it was reached, as a share of it.
        reached_step: when it was reached; share_since: of the run after that.
        loss_tag: what no longer falls; since_step: since when; last_step.
        proved: a plateau was certified, not only seen.
        noise: noise scale over batch; noise_text: the same in words; noise_signal: its tag; None where not recorded.
        update_ratio: of the median weight matrix since then; None where not recorded.
    """

    tag: str
    peak: float
    least_since: float
    reached_step: int
    share_since: float
    loss_tag: str
    since_step: int
    last_step: int
    proved: bool
    noise: float | None
    noise_text: str
    noise_signal: str | None
    update_ratio: float | None


class ScheduleNeverDecays(Rule[ConstantRate | None]):
    """The loss no longer falls, and the learning rate has never come down.

    What it finds
    -------------
    As an information: a loss that has come to rest by itself at a learning rate that is still at its height, half of
    the run or longer after it was reached.

    Why it matters
    --------------
    At a constant rate the noise of the gradients throws the weights about by as much in every step, so that the loss
    stays above what they could reach. A decay at the end costs little and nearly always gains; a comparison of two runs
    without one compares their noise.

    How it is detected
    ------------------
    The rate (of the group closest to the median schedule) has not fallen below `largest_fall` under its peak since it
    first came within one percent of it, over `smallest_share` of the run. The loss has a proved plateau, and neither
    training nor validation loss still improves. Without a proof it must have won no new ground for two thirds of the
    run, and the noise scale must be that of the batch or larger. A loss that broke off, repeats one value, is next to
    zero or never fell at all has another reason. A noise scale below `smallest_noise` of the batch acquits, and so do
    updates below 1e-4 of the weights.

    False alarms
    ------------
    A run that is still under way, whose decay is yet to come, and one that is kept at a constant rate on purpose to
    branch off from. A loss that stands on the noise of the task gains nothing. Optimizers that need no schedule are
    left out by their names.

    What to try
    -----------
    From the last checkpoint, a linear decay to zero over a fifth of the steps; or let the validation loss lower the
    rate.

    Sources
    -------
    Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training durations" (a cooldown of a
    fifth); Smith et al. 2018, "Don't decay the learning rate, increase the batch size" (noise goes with the rate).
    """

    code = "LRS005"
    name = "schedule-never-decays"
    summary = "The loss no longer falls, and the learning rate has never come down."
    reads = (
        *("learning_rate", "train_loss", "val_loss", "per_layer.update_ratio", "per_layer.weight_norm"),
        *NOISE_READS,
    )
    thresholds = (
        Threshold(
            "largest_fall",
            0.1,
            "Of the peak. Every schedule in use falls by more in half of a run.",
            "convention; inverse square root, the slowest in use, falls by 0.29 in half of a run",
        ),
        Threshold("smallest_share", 0.5, "Of the run at the peak: the decay is overdue.", "convention"),
        Threshold(
            "smallest_noise",
            0.2,
            "Of the batch. With less noise the steps go where the gradient points, and a decay settles nothing.",
            "McCandlish et al. 2018: at one, half of the progress of a step is lost to noise",
        ),
    )
    interventions = ("anneal-learning-rate", "adaptive-learning-rate", "stop-and-keep-best")

    def measure(self, view: RunView) -> ConstantRate | NotEnough | None:
        rate = view.learning_rate
        if not view.signals.supervised or NEEDS_NO_SCHEDULE.search(str(view.run.hyper_parameters.get("optimizer", ""))):
            return NotEnough()
        if rate is None or len(rate) < MINIMUM_RATES:
            return NotEnough(("learning_rate",), logging_lines.LEARNING_RATE)
        loss = view.judged_loss
        if loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        value = np.asarray(rate.value, np.float64)
        peak = float(value.max())
        if peak <= 0 or any(view.assess(each).verdict in STILL_IMPROVING for each in view.losses[:2]):
            return None
        came_to_rest = _came_to_rest(view.assess(loss))
        if came_to_rest is None:
            return None
        reached = int(np.argmax(value >= REACHED_SHARE * peak))
        noise = noise_and_batch(view)
        return ConstantRate(
            tag=rate.tag,
            peak=peak,
            least_since=float(value[reached:].min()) / peak,
            reached_step=int(rate.step[reached]),
            share_since=float(rate.step[-1] - rate.step[reached]) / view.span_steps,
            loss_tag=loss.tag,
            since_step=came_to_rest,
            last_step=int(loss.curve.step[-1]),
            proved=view.assess(loss).verdict is Verdict.PLATEAU,
            noise=None if noise is None else noise.ratio,
            noise_text="" if noise is None else noise.text,
            noise_signal=None if noise is None else noise.tag,
            update_ratio=_update_ratio(view, came_to_rest),
        )

    def judge(self, measurement: ConstantRate | None, limits: Mapping[str, float]) -> list[Finding]:
        if measurement is None:
            return []
        rate = measurement
        constant = rate.least_since >= 1.0 - limits["largest_fall"] and rate.share_since >= limits["smallest_share"]
        quiet = rate.noise is not None and rate.noise < limits["smallest_noise"]
        noisy = rate.noise is not None and rate.noise >= NOISE_OF_THE_BATCH
        if not rate.proved and not noisy:
            return []
        if not constant or quiet or (rate.update_ratio is not None and rate.update_ratio < SMALL_UPDATES):
            return []
        return [
            self.finding(
                Severity.INFO,
                SURE if rate.proved and noisy else NOTED,
                f"{rate.loss_tag} no longer falls since step {rate.since_step:,}, and the learning rate is still at "
                f"{rate.peak:.3g}, its height since step {rate.reached_step:,}; a decay would show what is noise "
                "of the steps",
                first_step=rate.since_step,
                last_step=rate.last_step,
                evidence=tuple(_evidence(rate, limits)),
            )
        ]


def _evidence(rate: ConstantRate, limits: Mapping[str, float]) -> list[Evidence]:
    items = [
        Evidence(
            f"{rate.tag} has not fallen below {rate.least_since:.2f} of its peak for {rate.share_since:.0%} of the run",
            signal=rate.tag,
            value=rate.least_since,
            threshold=1.0 - limits["largest_fall"],
            step=rate.reached_step,
        ),
        Evidence(f"{rate.loss_tag} has come to rest", signal=rate.loss_tag, step=rate.since_step),
    ]
    if rate.noise is not None:
        items.append(Evidence(rate.noise_text, rate.noise_signal, rate.noise, limits["smallest_noise"]))
    return items


def _came_to_rest(assessment: Assessment) -> int | None:
    """Since when a loss stands still of its own accord; None where it does not, or for another reason."""
    if assessment.stuck or assessment.held or assessment.near_zero or assessment.flat_throughout:
        return None
    if assessment.verdict is Verdict.PLATEAU:
        return assessment.since_step
    ground = assessment.no_new_ground
    if ground is None or ground.recovering or assessment.reason is Reason.TOO_FEW_POINTS:
        return None
    return ground.since_step if assessment.verdict is Verdict.INCONCLUSIVE else None


def _update_ratio(view: RunView, since_step: int) -> float | None:
    sizes = update_sizes(view)
    late = np.empty(0) if sizes is None else sizes.middle[sizes.step >= since_step]
    late = late[~np.isnan(late)]
    return float(np.median(late)) if len(late) else None
