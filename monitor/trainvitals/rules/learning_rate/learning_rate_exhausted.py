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
        noise: standard deviation of a block, from the stretch after.
    """

    tag: str
    before: float
    after: float
    noise: float


@dataclass(frozen=True, slots=True)
class RateEnd:
    """How the learning rate ended.

    Args:
        tag: of the rate; peak, last: its largest and last value.
        low_step: from when on it was below a tenth of its peak; None where it ended above.
        zero_step: from when on it was practically zero; None where it was not.
        share_ahead: of the run that came after ``zero_step``.
        last_step: of the rate.
        loss: what the loss did around ``zero_step``, where one was recorded often enough.
    """

    tag: str
    peak: float
    last: float
    low_step: int | None
    zero_step: int | None
    share_ahead: float
    last_step: int
    loss: LossBeside | None


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
    The rate of the parameter group with the largest peak is held against that peak. Practically zero is at most 5e-4
    of it until the end. A warning needs at least `smallest_share_ahead` of the run after that, a loss that fell by
    `smallest_score` times its noise over the stretch before, and did not after. A rate that ends below a tenth of its
    peak otherwise is an information.

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
        low = begin_of_tail(rate.value <= LOW_SHARE * peak)
        zero = begin_of_tail(rate.value <= ZERO_SHARE * peak)
        span = max(1, int(rate.step[-1] - rate.step[0]))
        return RateEnd(
            tag=rate.tag,
            peak=peak,
            last=float(rate.value[-1]),
            low_step=None if low is None else int(rate.step[low]),
            zero_step=None if zero is None else int(rate.step[zero]),
            share_ahead=0.0 if zero is None else float(rate.step[-1] - rate.step[zero]) / span,
            last_step=int(rate.step[-1]),
            loss=None if zero is None else _loss_beside(view, rate, zero),
        )

    def judge(self, measurement: RateEnd, limits: Mapping[str, float]) -> list[Finding]:
        if measurement.zero_step is not None and measurement.share_ahead >= limits["smallest_share_ahead"]:
            return self._ran_out(measurement, measurement.zero_step, limits)
        if measurement.low_step is None:
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


def _loss_beside(view: RunView, rate: Series, zero: int) -> LossBeside | None:
    for loss in view.losses:
        loss_position, rate_position = positions(loss.curve, rate) if len(loss) else (np.empty(0), np.empty(0))
        ran_out = rate_position[zero] if len(rate_position) else 0.0
        after = loss.curve.value[loss_position >= ran_out]
        before = loss.curve.value[loss_position < ran_out][-len(after) :]
        if len(after) >= BLOCKS and len(before) >= BLOCKS:
            change_before, _ = _change_and_noise(before)
            change_after, noise = _change_and_noise(after)
            return LossBeside(loss.tag, change_before, change_after, noise)
    return None


def _change_and_noise(value: NDArray[np.floating]) -> tuple[float, float]:
    """From the first to the last third, and the noise of a block."""
    blocks = block_means(np.arange(len(value), dtype=np.float64), value, BLOCKS).value
    third = BLOCKS // 3
    return float(np.median(blocks[-third:]) - np.median(blocks[:third])), difference_noise_sd(blocks)


def _rate_evidence(measurement: RateEnd, step: int, share: float) -> Evidence:
    return Evidence(
        f"{measurement.tag} is below {share:g} of its peak {measurement.peak:.3g} since step {step:,} "
        f"and ends at {measurement.last:.3g}",
        signal=measurement.tag,
        value=measurement.last / measurement.peak,
        threshold=share,
        step=step,
    )
