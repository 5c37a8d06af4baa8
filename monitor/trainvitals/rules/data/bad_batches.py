"""DAT005: single batches whose loss is out of all proportion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.spikes import Recovery, Spike
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.explanations import rate_raised
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_STEPS = 200
OF_HOOKS = "trainvitals"
"""The setting under which the hooks write their version."""

POINTS_AROUND = 3
FIRST_LOSSES = 5
SHOWN_STEPS = 10
SURE, LIKELY = 0.9, 0.75


@dataclass(frozen=True, slots=True)
class OddBatches:
    """Steps whose loss stood out alone.

    Args:
        tag: of the loss; steps: how many it has.
        single: spikes of one step. others: how many last longer.
        untrained: the loss at the beginning.
    """

    tag: str
    steps: int
    single: tuple[Spike, ...]
    others: int
    untrained: float


class BadBatches(Rule[OddBatches]):
    """Single batches have a loss out of all proportion, and the next step is as if nothing had been.

    What it finds
    -------------
    Steps whose loss stands far above its neighbours on both sides, again and again, with their numbers. The weights are
    not at fault, because the very next batch is as good as those before: it was the batch.

    Why it matters
    --------------
    A few broken examples (wrong scale, wrong label, an empty text, a decoding error) give the largest gradients of the
    run. Each throws the weights a little off, or eats up what clipping lets through.

    How it is detected
    ------------------
    The loss of every step is needed, as the hooks keep it. Spikes are found as for loss-spikes: far above what the
    run's own noise reaches. Those count that last one step, are `smallest_height` above the level, and are not the
    answer to a raised learning rate. A finding needs `fewest_batches` of them, `smallest_share_single` of all spikes;
    two suffice if both are worse than `times_untrained` times the loss of the untrained model, which no ordinary batch
    is.

    False alarms
    ------------
    Rare but correct examples (another language, a rare class) look the same, and are worth keeping: look at them first.
    Spikes that last several steps come from the weights; loss-spikes speaks of them.

    What to try
    -----------
    Look at the batches of the steps named here; skip the update where the gradient is out of proportion; clip.

    Sources
    -------
    Chowdhery et al. 2022 (PaLM), arXiv 2204.02311, section 5.1: there the same batches did no harm to other weights, so
    a spike is not bad data as such. That it is over in one step is what tells the two apart here (ours).
    """

    code = "DAT005"
    name = "bad-batches"
    summary = "Single batches have a loss out of all proportion."
    reads = ("train_loss", "learning_rate")
    thresholds = (
        Threshold("fewest_batches", 3, "Two may be chance; three are a habit.", "as for loss-spikes"),
        Threshold("smallest_height", 0.1, "Of the level: what one sees in a plot.", "as for loss-spikes"),
        Threshold(
            "smallest_share_single",
            0.8,
            "Of the spikes. Where more last longer, the weights were thrown off.",
            "convention",
        ),
        Threshold(
            "times_untrained",
            2.0,
            "Times the loss of the untrained model: surely wrong, by labels or by scale.",
            "a guess costs as much as the untrained model",
        ),
    )
    absorbs = ("loss-spikes", "exploding-gradients")
    interventions = ("look-at-batches", "skip-bad-batches", "clip-gradients")

    def measure(self, view: RunView) -> OddBatches | NotEnough:
        loss, rate = view.train_loss, view.learning_rate
        if loss is None or not view.signals.supervised:
            return NotEnough()
        # Rows of other logs may be epochs or means; only the hooks are known to keep the loss of every step.
        every_step = OF_HOOKS in view.run.hyper_parameters and len(loss) > 1
        if not every_step or float(np.median(np.diff(loss.curve.step))) != 1:
            return NotEnough(("train_loss of every step",), logging_lines.WATCH)
        if len(loss) < MINIMUM_STEPS:
            return NotEnough()
        spikes = [
            spike for spike in view.spikes(loss) if not rate_raised(rate, loss.curve, spike.first, within=POINTS_AROUND)
        ]
        single = tuple(spike for spike in spikes if spike.points == 1 and spike.recovery is Recovery.BENIGN)
        untrained = float(np.median(loss.curve.value[:FIRST_LOSSES]))
        return OddBatches(loss.tag, len(loss), single, len(spikes) - len(single), untrained)

    def judge(self, measurement: OddBatches, limits: Mapping[str, float]) -> list[Finding]:
        high = [spike for spike in measurement.single if _height(spike) >= limits["smallest_height"]]
        worst = limits["times_untrained"] * measurement.untrained
        wrong = [spike for spike in high if spike.baseline + spike.height >= worst > 0]
        share = len(measurement.single) / max(1, len(measurement.single) + measurement.others)
        enough = len(high) >= limits["fewest_batches"] or len(wrong) > 1
        if not enough or share < limits["smallest_share_single"]:
            return []
        highest = max(high, key=lambda spike: spike.height)
        steps = ", ".join(f"{spike.peak_step:,}" for spike in high[:SHOWN_STEPS])
        more = f" and {len(high) - SHOWN_STEPS} more" if len(high) > SHOWN_STEPS else ""
        return [
            self.finding(
                Severity.WARNING,
                SURE if len(wrong) > 1 else LIKELY,
                f"{len(high)} single batches have a loss out of all proportion (steps {steps}{more})",
                first_step=high[0].first_step,
                last_step=high[-1].last_step,
                evidence=(
                    Evidence(
                        f"{len(high)} losses stand out for one step and are back at the next; {measurement.others} "
                        "last longer",
                        signal=measurement.tag,
                        value=share,
                        threshold=limits["smallest_share_single"],
                        step=high[0].peak_step,
                    ),
                    Evidence(
                        f"the highest is {highest.baseline + highest.height:.4g} over a level of "
                        f"{highest.baseline:.4g}; the untrained model had {measurement.untrained:.4g}",
                        signal=measurement.tag,
                        value=highest.baseline + highest.height,
                        threshold=worst,
                        step=highest.peak_step,
                    ),
                ),
            )
        ]


def _height(spike: Spike) -> float:
    return spike.height / abs(spike.baseline) if spike.baseline else float("inf")
