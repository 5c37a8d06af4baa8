"""LOS006: the loss swings up and down from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.noise import autocorrelation
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Series, Severity
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


@dataclass(frozen=True, slots=True, eq=False)
class Swing:
    """How the loss swings around its own trend.

    Args:
        tag: of the loss. period_steps: from crest to crest in the last block.
        strengths: ``[B]`` of each block: the smaller of the correlation a period apart and its opposite half a period
            apart; near 0 for noise, 1 for a clean swing.
        sizes: ``[B]`` standard deviation of the swing. levels: ``[B]`` of the loss.
        first_steps: ``[B]`` of the blocks; last_step: of the last.
        cosine: of successive gradients; None where it was not recorded.
    """

    tag: str
    period_steps: int
    strengths: NDArray[np.float64]
    sizes: NDArray[np.float64]
    levels: NDArray[np.float64]
    first_steps: NDArray[np.int64]
    last_step: int
    cosine: Series | None

    @property
    def strength(self) -> float:
        """Of the last blocks."""
        return float(self.strengths[-LASTING_BLOCKS:].min())

    @property
    def amplitude(self) -> float:
        """Of the swing of the last blocks, over the level of the loss."""
        return float((self.sizes / np.maximum(np.abs(self.levels), 1e-12))[-LASTING_BLOCKS:].mean())

    def begins(self, smallest_strength: float) -> int | None:
        """The first of the blocks that swing until the end; None where the last do not."""
        begin = begin_of_tail(self.strengths >= smallest_strength)
        return begin if begin is not None and len(self.strengths) - begin >= LASTING_BLOCKS else None

    def opposed_since(self, block: int) -> float | None:
        """Mean cosine since the beginning of a block, where the swing is one of two steps."""
        if self.cosine is None or self.period_steps != 2:
            return None
        late = self.cosine.value[self.cosine.step >= self.first_steps[block]]
        return float(np.mean(late)) if len(late) else None


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
        return Swing(
            tag=loss.tag,
            period_steps=2 * swings[-1][0],
            strengths=strength,
            sizes=np.sqrt(np.maximum(strength, 0.0)) * sizes,
            levels=np.array([float(np.mean(value[block])) for block in blocks]),
            first_steps=np.array([step[block[0]] for block in blocks], np.int64),
            last_step=int(step[-1]),
            cosine=None if cosine is None else cosine.finite(),
        )

    def judge(self, measurement: Swing, limits: Mapping[str, float]) -> list[Finding]:
        swing = measurement
        first = swing.begins(limits["smallest_strength"])
        if first is None or swing.amplitude < limits["smallest_amplitude"]:
            return []
        cosine = swing.opposed_since(first)
        if cosine is not None and cosine > limits["largest_cosine"]:
            return []
        growth = float(swing.sizes[-1] / max(float(swing.sizes[first]), 1e-300))
        grows = growth >= limits["growing"]
        progressing = bool(swing.levels[first] - swing.levels[-1] > swing.sizes[-1])
        evidence = [
            Evidence(
                f"{swing.tag} swings with a period of {swing.period_steps} steps: points a period apart are correlated "
                f"by {swing.strength:.2f} or more, those half a period apart by minus that",
                signal=swing.tag,
                value=swing.strength,
                threshold=limits["smallest_strength"],
                step=int(swing.first_steps[first]),
            ),
            Evidence(
                f"the swing is {swing.amplitude:.0%} of the loss, {growth:.2g} times what it was at first",
                value=swing.amplitude,
                threshold=limits["smallest_amplitude"],
            ),
        ]
        if cosine is not None:
            text = f"successive gradients oppose each other: their cosine is {cosine:.2f}"
            evidence.append(Evidence(text, tags.GRADIENT_COSINE, cosine, limits["largest_cosine"]))
        return [
            self.finding(
                Severity.WARNING if grows or not progressing else Severity.INFO,
                0.9 if cosine is not None else 0.75,
                f"the loss swings by {swing.amplitude:.0%} every {swing.period_steps} steps",
                first_step=int(swing.first_steps[first]),
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
