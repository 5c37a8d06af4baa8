"""LOS006: the loss swings up and down from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.noise import autocorrelation
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

BLOCKS = 10
FEWEST_IN_BLOCK = 50
"""Steps: the correlations of so few points of white noise stay within 0.3 in nineteen of twenty blocks."""

TREND_STEPS = 25
"""Steps whose mean is the trend under a swing of a few of them; their median would swing with it."""

LONGEST_HALF = 5
"""Steps from a crest to the trough: a swing of more than ten steps has other reasons than the step size."""

LASTING_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class Swing:
    """How the loss swings around its own trend.

    Args:
        tag: of the loss. period_steps: from crest to crest in the last block.
        strength: the smaller of the correlation a period apart and its opposite half a period apart, in the last
            blocks; near 0 for noise, 1 for a clean swing.
        amplitude: standard deviation of the swing there, over the level of the loss.
        growth: the amplitude of the last block over that of the first that swings.
        first_step, last_step: of the blocks that swing until the end; the first is None where they do not.
        progressing: whether the loss fell by more than the swing since it began.
        opposed: mean cosine of successive gradients; None where it was not recorded.
    """

    tag: str
    period_steps: int
    strength: float
    amplitude: float
    growth: float
    first_step: int | None
    last_step: int
    progressing: bool
    opposed: float | None


class OscillatingLoss(Rule[Swing]):
    """The loss goes up and down every few steps instead of down.

    What it finds
    -------------
    A regular swing of the loss with a period of two to ten steps, lasting until now, that is large beside the loss.

    Why it matters
    --------------
    Each step jumps over the valley to the other side. The learning rate (or the momentum) is at the edge of what the
    curvature allows: progress is lost in the swing, and the next growth of the curvature makes the loss diverge.

    How it is detected
    ------------------
    Ten blocks of the loss of every step, each without its running mean over 25 steps. Noise has no memory: half a
    period apart a swing is opposite, a whole period apart it is the same. A block swings if both correlations reach
    `smallest_strength` for some period; the last two blocks and their mean must. The size of the swing must be
    `smallest_amplitude` of the loss.

    It is a warning where the loss has fallen by less than the swing since it began, or the swing has grown to `growing`
    times its size; a training at the edge of stability that still gets better is an information.

    False alarms
    ------------
    A fixed order of few batches repeats itself too, with the period of the epoch; so does a loss of several tasks that
    take turns. Successive gradients that oppose each other speak for a swing; where their cosine was recorded and is
    not negative, nothing is said of a swing of two steps.

    What to try
    -----------
    A third of the learning rate; less momentum, or a shorter memory of Adam; clipping; a longer warm-up.

    Sources
    -------
    Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge of stability"; Zhang et al.
    2021 (AUTOTRAINER) look at swings of the accuracy. The correlations are ours.
    """

    code = "LOS006"
    name = "oscillating-loss"
    summary = "The loss swings up and down from step to step."
    reads = ("train_loss", tags.GRADIENT_COSINE)
    thresholds = (
        Threshold(
            "smallest_strength",
            0.4,
            "Correlation a period apart, and its opposite half a period apart: two fifths of the variance are swing.",
            "white noise stays below 0.3 in blocks of 50 points",
        ),
        Threshold(
            "smallest_amplitude",
            0.05,
            "Of the level of the loss: smaller swings cost little.",
            "convention",
        ),
        Threshold("growing", 2.0, "Times its first size: on the way to diverge.", "convention"),
        Threshold(
            "largest_cosine", -0.1, "Of successive gradients, in a swing of two steps.", "opposed ones are below"
        ),
    )
    absorbs = ("loss-spikes",)
    interventions = ("lower-learning-rate", "lower-adam-beta2", "clip-gradients", "longer-warmup")

    def measure(self, view: RunView) -> Swing | NotEnough:
        loss, cosine = view.train_loss, view.recorded(tags.GRADIENT_COSINE)
        if not view.signals.supervised:
            return NotEnough()
        if loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        kept = _every_step(loss)
        if kept is None:
            return NotEnough(("train_loss of every step",), logging_lines.TRAIN_LOSS)
        value, step = np.asarray(loss.curve.value[kept:], np.float64), loss.curve.step[kept:]
        value = value / max(float(np.abs(value).max()), np.finfo(np.float64).tiny)
        around = value - _trend(value)
        blocks = np.array_split(np.arange(len(value)), min(BLOCKS, len(value) // FEWEST_IN_BLOCK))
        swings = [_swing(around[block]) for block in blocks]
        strength = np.array([each[1] for each in swings])
        sizes = np.array([float(around[block].std()) for block in blocks])
        levels = np.array([float(np.mean(value[block])) for block in blocks])
        begin = begin_of_tail(strength >= self.limits({})["smallest_strength"])
        lasting = begin is not None and len(blocks) - begin >= LASTING_BLOCKS
        first = begin if begin is not None else len(blocks) - 1
        late = None if cosine is None else cosine.finite()
        opposed = None if late is None else late.value[late.step >= step[blocks[first][0]]]
        swing_of = np.sqrt(np.maximum(strength, 0.0)) * sizes
        return Swing(
            tag=loss.tag,
            period_steps=2 * swings[-1][0],
            strength=float(strength[-LASTING_BLOCKS:].min()),
            amplitude=float((swing_of / np.maximum(np.abs(levels), 1e-12))[-LASTING_BLOCKS:].mean()),
            growth=float(swing_of[-1] / max(float(swing_of[first]), 1e-300)),
            first_step=int(step[blocks[first][0]]) if lasting else None,
            last_step=int(step[-1]),
            progressing=bool(levels[first] - levels[-1] > swing_of[-1]),
            opposed=float(np.mean(opposed)) if opposed is not None and len(opposed) else None,
        )

    def judge(self, measurement: Swing, limits: Mapping[str, float]) -> list[Finding]:
        swing = measurement
        strong = swing.strength >= limits["smallest_strength"] and swing.amplitude >= limits["smallest_amplitude"]
        if not strong or swing.first_step is None:
            return []
        cosine = swing.opposed if swing.period_steps == 2 else None
        if cosine is not None and cosine > limits["largest_cosine"]:
            return []
        grows = swing.growth >= limits["growing"]
        evidence = [
            Evidence(
                f"{swing.tag} swings with a period of {swing.period_steps} steps: points a period apart are correlated "
                f"by {swing.strength:.2f} or more, those half a period apart by minus that",
                signal=swing.tag,
                value=swing.strength,
                threshold=limits["smallest_strength"],
                step=swing.first_step,
            ),
            Evidence(
                f"the swing is {swing.amplitude:.0%} of the loss, {swing.growth:.2g} times what it was at first",
                value=swing.amplitude,
                threshold=limits["smallest_amplitude"],
            ),
        ]
        if cosine is not None:
            text = f"successive gradients oppose each other: their cosine is {cosine:.2f}"
            evidence.append(Evidence(text, tags.GRADIENT_COSINE, cosine, limits["largest_cosine"]))
        return [
            self.finding(
                Severity.WARNING if grows or not swing.progressing else Severity.INFO,
                0.9 if cosine is not None else 0.75,
                f"the loss swings by {swing.amplitude:.0%} every {swing.period_steps} steps",
                first_step=swing.first_step,
                last_step=swing.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: Swing, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.strength >= limits["smallest_strength"]:
            return None
        text = f"{measurement.tag} does not swing: correlations are {max(measurement.strength, 0.0):.2f} at most"
        return Evidence(text, measurement.tag, measurement.strength, limits["smallest_strength"])


def _every_step(loss: LossCurve) -> int | None:
    """Index from which on the loss of every step is there, after the last restart; None where there are too few."""
    step = loss.curve.step
    after = int(np.searchsorted(step, max(loss.restarts, default=-1))) if loss.restarts else 0
    gaps = np.flatnonzero(np.diff(step) != 1)
    kept = max(after, int(gaps[-1]) + 1 if len(gaps) else 0)
    return kept if len(step) - kept >= LASTING_BLOCKS * FEWEST_IN_BLOCK else None


def _trend(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[T]`` mean of the values around each; at the ends of those that there are."""
    window = np.ones(TREND_STEPS)
    return np.asarray(np.convolve(value, window, "same") / np.convolve(np.ones(len(value)), window, "same"))


def _swing(around: NDArray[np.float64]) -> tuple[int, float]:
    """Half of the period that swings most, and how strongly."""
    correlation = autocorrelation(around)
    strengths = [min(-correlation[half], correlation[2 * half]) for half in range(1, LONGEST_HALF + 1)]
    best = int(np.argmax(strengths))
    return best + 1, float(strengths[best])
