"""LRS003: the learning rate has come to (nearly) zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import block_means
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.alignment import positions
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

ZERO_SHARE = 5e-4
"""Of the peak. Three ten-fold drops, the deepest recipe in common use, leave 1e-3; half of that is no recipe's rate."""

LOW_SHARE = 0.1
"""Of the peak. Schedules for language models end at a tenth on purpose; below that one has run out."""

MINIMUM_RATES = 5
SHORTEST_TAIL = 2
"""Records of a rate that has run down. One is where a schedule ended, and nothing was trained at it yet."""

SMALLEST_STEP = 0.75
"""Of the rate before. Step schedules divide by two or more; smooth ones move less between two records."""

STAYED_SHARE = 0.01
UNTIL_THE_STEP_SHARE = 0.25
"""Of the fall before, measured over two thirds of a stretch: what the sixth of it up to the step still brings."""

BLOCKS = 12
"""Blocks of the loss before and after the rate ran out: thirds of four, whose medians bear one outlier."""

STILL_FALLING_SHARE = 0.1
"""Of the fall before. A loss that goes on falling by more is moved by something else than this rate; one that falls by
less has practically stopped, whatever its noise."""


@dataclass(frozen=True, slots=True)
class LossBeside:
    """What a loss did before and after the rate ran out; negative is better.

    Args:
        tag: which loss.
        before: its change over the stretch before, as long as the one after where there is so much.
        after: its change since.
        across: its change from the end of the stretch before to now.
        noise: standard deviation of a block, from the stretch after.
    """

    tag: str
    before: float
    after: float
    across: float
    noise: float


@dataclass(frozen=True, slots=True)
class RateEnd:
    """How the learning rate ended.

    Args:
        tag: of the rate; peak, last: its largest and last value.
        low_step: from when on it was below a tenth of its peak, or when it last stepped down after that; None where it
            ended above.
        zero_step: from when on it was practically zero; None where it was not.
        share_ahead: of the run that came after ``zero_step``.
        last_step: of the rate.
        loss: what the loss did around ``zero_step``, or else ``low_step``, where one was recorded often enough.
        stepped: ``low_step`` is a step of the schedule.
    """

    tag: str
    peak: float
    last: float
    low_step: int | None
    zero_step: int | None
    share_ahead: float
    last_step: int
    loss: LossBeside | None
    stepped: bool = False


# A schedule that ends with its run did what it was meant to do.
TO_TRY_AT_THE_END = ("stop-and-keep-best", "extend-schedule")


class LearningRateExhausted(Rule[RateEnd]):
    """The learning rate has come to (nearly) zero, so the loss stands still.

    What it finds
    -------------
    A learning rate that reached practically zero while much of the run was still ahead, and a loss that fell until
    then and has stood still since. As an information: a schedule that ends together with the run.

    Why it matters
    --------------
    With a rate of zero nothing is learnt; the steps after it only cost time. The flat loss looks like a plateau, but
    neither the model nor the data is at its limit.

    How it is detected
    ------------------
    The rate is held against its peak; of several parameter groups the one closest to their median schedule counts.
    Practically zero is at most 5e-4 of the peak until the end, for two records or more. A warning needs at least
    `smallest_share_ahead` of the run after that, a loss that fell by `smallest_score` times its noise over the stretch
    before, and did not after. A rate that ends below a tenth of its peak otherwise is an information, unless its last
    step down made the loss fall by more than it was falling and `smallest_score` times its noise: that is a stage.

    False alarms
    ------------
    Cosine and linear schedules that end with the run, step schedules with up to three ten-fold drops, warm restarts
    and floors of a tenth of the peak are no warning. A loss that was flat before the rate ran out is not blamed on
    it: then a scheduler has probably lowered the rate because of the plateau. Another parameter group may still
    learn; the loss then still falls, and the rule stays silent.

    What to try
    -----------
    Give the schedule the number of steps that the run really has; warm up again to a third of the peak and decay;
    or stop at the step where the rate ran out.

    Sources
    -------
    Step schedules: He et al. 2016 (ten-fold drops). Floors of a tenth: Hoffmann et al. 2022. Re-warming: Ibrahim et
    al. 2024, "Simple and scalable strategies to continually pre-train large language models".
    """

    code = "LRS003"
    name = "learning-rate-exhausted"
    summary = "The learning rate has come to (nearly) zero."
    reads = ("learning_rate", "train_loss", "val_loss")
    thresholds = (
        Threshold(
            "smallest_share_ahead",
            0.2,
            "A fifth of the run at rate zero is worth saving; less can be a deliberate tail of the schedule.",
            "schedules with a constant tail keep it below a fifth (memory of common recipes)",
        ),
        Threshold(
            "smallest_score",
            3.0,
            "The loss fell before if it did so by three times the noise of a block: the usual three-sigma line.",
            "convention",
        ),
    )
    absorbs = ("plateau",)
    interventions = ("extend-schedule", "stop-and-keep-best", "adaptive-learning-rate")

    def measure(self, view: RunView) -> RateEnd | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        rate = view.learning_rate
        if rate is None or len(rate) < MINIMUM_RATES:
            return NotEnough(("learning_rate",), logging_lines.LEARNING_RATE)
        peak = float(rate.value.max())
        if peak <= 0:
            return NotEnough()
        low, zero = _tail(rate, LOW_SHARE * peak), _tail(rate, ZERO_SHARE * peak)
        step_down = None if low is None else _last_step_down(rate.value, low)
        low = low if step_down is None else step_down
        ended = low if zero is None else zero
        span = max(1, int(rate.step[-1] - rate.step[0]))
        return RateEnd(
            tag=rate.tag,
            peak=peak,
            last=float(rate.value[-1]),
            low_step=None if low is None else int(rate.step[low]),
            zero_step=None if zero is None else int(rate.step[zero]),
            share_ahead=0.0 if zero is None else float(rate.step[-1] - rate.step[zero]) / span,
            last_step=int(rate.step[-1]),
            loss=None if ended is None else _loss_beside(view, rate, ended),
            stepped=step_down is not None,
        )

    def judge(self, measurement: RateEnd, limits: Mapping[str, float]) -> list[Finding]:
        if measurement.zero_step is not None and measurement.share_ahead >= limits["smallest_share_ahead"]:
            return self._ran_out(measurement, measurement.zero_step, limits)
        if measurement.low_step is None or _was_a_stage(measurement, limits["smallest_score"]):
            return []
        share = measurement.last / measurement.peak
        return [
            self.finding(
                Severity.INFO,
                0.9,
                f"the learning rate has run down to {share:.2g} of its peak; a flat loss at the end is what that gives",
                first_step=measurement.low_step,
                last_step=measurement.last_step,
                evidence=(_rate_evidence(measurement, measurement.low_step, LOW_SHARE),),
                to_try=TO_TRY_AT_THE_END,
            )
        ]

    def _ran_out(self, measurement: RateEnd, zero_step: int, limits: Mapping[str, float]) -> list[Finding]:
        rate = _rate_evidence(measurement, zero_step, ZERO_SHARE)
        share = measurement.share_ahead
        wasted = f"the learning rate is practically zero since step {zero_step:,}, for {share:.0%} of the run"
        loss = measurement.loss
        if loss is None:
            return [self.finding(Severity.INFO, 0.8, wasted, first_step=zero_step, evidence=(rate,))]
        fall = limits["smallest_score"] * loss.noise
        fell_before = loss.before < -fall
        if loss.after < min(-fall, STILL_FALLING_SHARE * loss.before):
            return []
        beside = Evidence(
            f"{loss.tag} changed by {loss.before:+.3g} over the stretch before and by {loss.after:+.3g} since",
            signal=loss.tag,
            value=loss.after,
            threshold=-fall,
            step=zero_step,
        )
        return [
            self.finding(
                Severity.WARNING if fell_before else Severity.INFO,
                0.9,
                wasted + ("; the loss fell until then" if fell_before else "; the loss was flat before"),
                first_step=zero_step,
                last_step=measurement.last_step,
                evidence=(rate, beside),
            )
        ]


def _tail(rate: Series, highest: float) -> int | None:
    """Index from which the rate stays at or below ``highest``; None where that is too short."""
    begin = begin_of_tail(rate.value <= highest)
    return None if begin is None or len(rate) - begin < SHORTEST_TAIL else begin


def _last_step_down(value: NDArray[np.floating], low: int) -> int | None:
    """Index, from ``low`` on, at which the rate last fell by a step and stayed; None where it came down smoothly."""
    at = np.arange(max(low, 1), len(value) - 1)
    fell = value[at] < SMALLEST_STEP * value[at - 1]
    stayed = np.abs(value[at + 1] - value[at]) <= STAYED_SHARE * value[at]
    steps = at[fell & stayed]
    return int(steps[-1]) if len(steps) else None


def _was_a_stage(end: RateEnd, score: float) -> bool:
    """Whether the last step of the schedule made the loss better: then it is a stage, not an end."""
    if not end.stepped or end.zero_step is not None or end.loss is None:
        return False
    until_the_step = min(0.0, UNTIL_THE_STEP_SHARE * end.loss.before)
    return end.loss.across - until_the_step < -score * end.loss.noise


def _loss_beside(view: RunView, rate: Series, zero: int) -> LossBeside | None:
    for loss in view.losses:
        loss_position, rate_position = positions(loss.curve, rate) if len(loss) else (np.empty(0), np.empty(0))
        ran_out = rate_position[zero] if len(rate_position) else 0.0
        after = loss.curve.value[loss_position >= ran_out]
        before = loss.curve.value[loss_position < ran_out][-len(after) :]
        if len(after) >= BLOCKS and len(before) >= BLOCKS:
            began, ended, _ = _levels_and_noise(before)
            resumed, now, noise = _levels_and_noise(after)
            return LossBeside(loss.tag, before=ended - began, after=now - resumed, across=now - ended, noise=noise)
    return None


def _levels_and_noise(value: NDArray[np.floating]) -> tuple[float, float, float]:
    """The level of the first third, that of the last, and the noise of a block."""
    blocks = block_means(np.arange(len(value), dtype=np.float64), value, BLOCKS).value
    third = BLOCKS // 3
    return float(np.median(blocks[:third])), float(np.median(blocks[-third:])), difference_noise_sd(blocks)


def _rate_evidence(measurement: RateEnd, step: int, share: float) -> Evidence:
    return Evidence(
        f"{measurement.tag} is below {share:g} of its peak {measurement.peak:.3g} since step {step:,} "
        f"and ends at {measurement.last:.3g}",
        signal=measurement.tag,
        value=measurement.last / measurement.peak,
        threshold=share,
        step=step,
    )
