"""LOS003: the loss jumps up and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.spikes import Recovery, Spike
from trainvitals.maths.towering import find_towering
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.explanations import rate_raised
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

# A learning rate that is raised so few points from the beginning of a spike explains it.
POINTS_AROUND = 3
SHOWN_SPIKES = 5
FIRST_POINTS = 3
# A peak below this share of the loss that a log begins with gives back hardly anything of what was learnt.
SMALLEST_PEAK_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Spikes:
    """The spikes of one loss.

    Args:
        tag: of the loss; points: how many it has.
        alarming: whether they can be more than a note; those of a validation loss beside a training loss cannot.
        spikes: in order, without those that a raised learning rate explains.
        towering: one of them dwarfs all that came before it.
        start: the level of the first points, whose noise goes either way.
    """

    tag: str
    points: int
    alarming: bool
    spikes: tuple[Spike, ...]
    towering: bool
    start: float

    def is_high(self, spike: Spike, smallest_height: float) -> bool:
        """Whether one sees it in a plot of the whole curve."""
        return _height(spike) >= smallest_height and spike.baseline + spike.height >= SMALLEST_PEAK_SHARE * self.start


class LossSpikes(Rule[tuple[Spikes, ...]]):
    """The training loss jumps up and comes back, more often or for longer than its noise explains.

    What it finds
    -------------
    Excursions far above the running level of the loss: benign ones that are back within 2 % of the run (or five
    points), lingering ones that take longer, and lasting ones from which the loss has not come back. In a validation
    loss only those that dwarf all that came before, as a note.

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
    where the learning rate was raised, a jump is its answer and does not count. What stood 14 standard deviations high
    when the log had 60, 120, 240 ... points, and had come back, is kept, however noisy the rest.

    Apart from that, and in a few points too, an excursion of at most five points counts that is ten times as large as
    all before it, the untrained model included, if the three points after it are back below a tenth, and if it stands
    twice as far above its neighbours as these are spread, in logarithms. Nothing that follows can undo that.

    A warning: at least `frequent_spikes` spikes that are `smallest_height` above the level and together take up
    `frequent_share` of all points; or one of that height that lingers or lasts. What peaks below a twentieth of the
    loss that the log begins with does not count there. Otherwise it is an information, and a single benign spike below
    `single_z` standard deviations is nothing. In a loss whose noise spans decades, a spike must tower over all of it
    to be seen.

    False alarms
    ------------
    Batches of two kinds that alternate look like spikes up to one in 25 points; beyond that they count as noise. Small
    batches have heavy tails; the bar follows the run's own. A validation loss has few points and bounces in healthy
    runs too: beside a training loss it never gives more than an information.

    What to try
    -----------
    Skip the batches whose loss or gradient norm is far out, or clip gradients; lower the learning rate or Adam's beta2
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
    reads = ("train_loss", "val_loss", "learning_rate")
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
        "skip-bad-batches",
        "clip-gradients",
        "lower-learning-rate",
        "lower-adam-beta2",
        "restore-checkpoint",
    )

    def measure(self, view: RunView) -> tuple[Spikes, ...] | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        losses = [loss for loss in (view.train_loss, view.val_loss) if loss is not None]
        if not losses:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        return tuple(_spikes_of(loss, view, alarming=loss is losses[0]) for loss in losses)

    def judge(self, measurement: tuple[Spikes, ...], limits: Mapping[str, float]) -> list[Finding]:
        return [finding for spikes in measurement for finding in self._of_one_loss(spikes, limits)]

    def _of_one_loss(self, measurement: Spikes, limits: Mapping[str, float]) -> list[Finding]:
        spikes = measurement.spikes
        negligible = len(spikes) == 1 and not measurement.towering and _is_negligible(spikes[0], limits)
        if not spikes or negligible:
            return []
        high = [spike for spike in spikes if measurement.is_high(spike, limits["smallest_height"])]
        share = sum(spike.points for spike in high) / measurement.points
        often = len(high) >= limits["frequent_spikes"] and share >= limits["frequent_share"]
        slow = [spike for spike in high if spike.recovery in (Recovery.LINGERING, Recovery.LASTING)]
        highest = max(spikes, key=lambda spike: spike.z)
        return [
            self.finding(
                Severity.WARNING if measurement.alarming and (often or slow) else Severity.INFO,
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


def _spikes_of(loss: LossCurve, view: RunView, *, alarming: bool) -> Spikes:
    """Without those that a raised learning rate explains; only those that dwarf the past where they cannot alarm."""
    curve, rate = loss.curve, view.learning_rate
    found = view.spikes(loss) if alarming else ()
    towering = find_towering(curve.step, curve.value, breaks=loss.restarts)
    alone = [spike for spike in towering if not any(_overlap(spike, other) for other in found)]
    spikes = tuple(
        spike
        for spike in sorted((*found, *alone), key=lambda spike: spike.first)
        if not rate_raised(rate, curve, spike.first, within=POINTS_AROUND)
    )
    dwarfing = any(_overlap(spike, other) for spike in towering for other in spikes)
    start = float(np.median(curve.value[:FIRST_POINTS])) if len(curve) else 0.0
    return Spikes(loss.tag, len(curve), alarming, spikes, dwarfing, start)


def _overlap(one: Spike, other: Spike) -> bool:
    return one.first <= other.last and other.first <= one.last


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
    size = f" ({spike.z:.3g} standard deviations)" if np.isfinite(spike.z) else ""
    return Evidence(
        f"{spike.baseline + spike.height:.4g} over a level of {spike.baseline:.4g}{size}, "
        f"{how} {when} {spike.points} points",
        signal=tag,
        value=spike.baseline + spike.height,
        threshold=spike.baseline,
        step=spike.peak_step,
    )
