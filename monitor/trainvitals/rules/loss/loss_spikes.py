"""LOS003: the loss jumps up and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.spikes import Recovery, Spike, find_spikes
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.explanations import rate_raised
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

# A learning rate that is raised so few points from the beginning of a spike explains it.
POINTS_AROUND = 3
SHOWN_SPIKES = 5


@dataclass(frozen=True, slots=True)
class Spikes:
    """The spikes of the loss to judge by.

    Args:
        tag: of the loss; points: how many it has; last_step: of them.
        spikes: in order, without those that a raised learning rate explains.
    """

    tag: str
    points: int
    last_step: int
    spikes: tuple[Spike, ...]


class LossSpikes(Rule[Spikes]):
    """The training loss jumps up and comes back, more often or for longer than its noise explains.

    What it finds
    -------------
    Excursions far above the running level of the loss: benign ones that are back within 2 % of the run (or five
    points), lingering ones that take longer, and lasting ones from which the loss has not come back.

    Why it matters
    --------------
    A rare benign spike costs nothing. Frequent ones announce a divergence and waste steps; after a lingering one a part
    of what was learnt has to be learnt again.

    How it is detected
    ------------------
    A robust z against a running median from which flagged points are left out, on the logarithm of the loss where it is
    never negative. The bar is what the upper tail of the run's own noise would exceed in one run of ten (about 5
    standard deviations for normal noise, more for heavier tails), at least twice the deepest downward excursion; and
    spikes must outnumber by three to one what lies between half of the bar and the bar: they stand apart, a tail thins
    out. A spike rises above the points before it, so that the start of a curve is none. Restarts begin a new baseline;
    where the learning rate was raised, a jump is its answer and does not count.

    A warning: at least `frequent_spikes` spikes that are `smallest_height` above the level and together take up
    `frequent_share` of all points; or one of that height that lingers or lasts. Otherwise it is an information, and a
    single benign spike below `single_z` standard deviations is nothing. In a loss whose noise spans decades, a spike
    must tower over all of it to be seen.

    False alarms
    ------------
    Batches of two kinds that alternate look like spikes up to one in 25 points; beyond that they count as noise. Small
    batches have heavy tails; the bar follows the run's own. A validation loss is judged only where there is no training
    loss.

    What to try
    -----------
    Clip gradients, or skip the batches whose loss or gradient norm is far out; lower the learning rate or Adam's beta2
    where spikes become frequent; look at the data of the steps named here.

    Sources
    -------
    OLMo 2, arXiv 2501.00656 (spike score: share of values 7 standard deviations from a rolling mean); Chowdhery et al.
    2022 (PaLM), arXiv 2204.02311, on training instability (skipping batches); Molybog et al. 2023, arXiv 2304.09871
    (Adam).
    """

    code = "LOS003"
    name = "loss-spikes"
    summary = "The training loss jumps up and comes back, more often or for longer than its noise explains."
    thresholds = (
        Threshold("frequent_spikes", 3, "Two may be chance; three are a habit.", "convention"),
        Threshold(
            "frequent_share",
            0.001,
            "One point in a thousand: beyond that runs are called unstable.",
            "ours, on the scale of the spike score of OLMo 2 (arXiv 2501.00656)",
        ),
        Threshold(
            "smallest_height",
            0.1,
            "Of the level. A tenth is what one sees in a plot; less costs nothing, however quiet the curve.",
            "convention",
        ),
        Threshold(
            "single_z",
            14.0,
            "One excursion of a noisy loss just above the bar is noise as likely as not.",
            "twice the z at which OLMo 2 (arXiv 2501.00656) counts a point",
        ),
    )
    interventions = (
        "clip-gradients",
        "skip-bad-batches",
        "lower-learning-rate",
        "lower-adam-beta2",
        "longer-warmup",
    )

    def measure(self, view: RunView) -> Spikes | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss = view.train_loss or view.val_loss
        if loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        curve = loss.curve
        spikes = find_spikes(curve.step, curve.value, breaks=loss.restarts)
        rate = view.learning_rate
        unexplained = tuple(
            spike for spike in spikes if not rate_raised(rate, curve, spike.first, within=POINTS_AROUND)
        )
        return Spikes(loss.tag, len(curve), int(curve.step[-1]) if len(curve) else 0, unexplained)

    def judge(self, measurement: Spikes, limits: Mapping[str, float]) -> list[Finding]:
        spikes = measurement.spikes
        if not spikes or (len(spikes) == 1 and _is_negligible(spikes[0], limits)):
            return []
        high = [spike for spike in spikes if _height(spike) >= limits["smallest_height"]]
        share = sum(spike.points for spike in high) / measurement.points
        often = len(high) >= limits["frequent_spikes"] and share >= limits["frequent_share"]
        slow = [spike for spike in high if spike.recovery in (Recovery.LINGERING, Recovery.LASTING)]
        highest = max(spikes, key=lambda spike: spike.z)
        return [
            self.finding(
                Severity.WARNING if often or slow else Severity.INFO,
                0.9 if len(spikes) > 1 else 0.8,
                _summary(measurement, highest),
                first_step=spikes[0].first_step,
                last_step=spikes[-1].last_step,
                evidence=(
                    Evidence(
                        f"{len(high)} of them are at least {limits['smallest_height']:.0%} above the level and take up "
                        f"{share:.2%} of all points; {len(slow)} linger or last",
                        signal=measurement.tag,
                        value=share,
                        threshold=limits["frequent_share"],
                    ),
                    *(_evidence(spike, measurement.tag) for spike in _most_telling(spikes)),
                ),
            )
        ]


def _is_negligible(spike: Spike, limits: Mapping[str, float]) -> bool:
    return spike.recovery in (Recovery.BENIGN, Recovery.OPEN) and spike.z < limits["single_z"]


def _height(spike: Spike) -> float:
    return spike.height / abs(spike.baseline) if spike.baseline else float("inf")


def _summary(measurement: Spikes, highest: Spike) -> str:
    count = len(measurement.spikes)
    times = f", the highest {highest.ratio:.3g} times its level" if np.isfinite(highest.ratio) else ""
    plural = "spikes" if count > 1 else "spike"
    return f"{count} {plural} in {measurement.tag}{times}, at step {highest.peak_step:,}"


def _most_telling(spikes: tuple[Spike, ...]) -> list[Spike]:
    highest = sorted(spikes, key=lambda spike: -spike.z)[:SHOWN_SPIKES]
    return sorted(highest, key=lambda spike: spike.first)


def _evidence(spike: Spike, tag: str) -> Evidence:
    how = {
        Recovery.BENIGN: "back",
        Recovery.LINGERING: "back only",
        Recovery.LASTING: "not back",
        Recovery.OPEN: "not yet back",
    }[spike.recovery]
    when = "after" if spike.recovery in (Recovery.BENIGN, Recovery.LINGERING) else "within"
    return Evidence(
        f"{spike.baseline + spike.height:.4g} over a level of {spike.baseline:.4g} "
        f"({spike.z:.3g} standard deviations), {how} {when} {spike.points} points",
        signal=tag,
        value=spike.baseline + spike.height,
        threshold=spike.baseline,
        step=spike.peak_step,
    )
