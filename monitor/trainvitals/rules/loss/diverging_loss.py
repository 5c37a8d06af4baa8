"""LOS002: the training loss runs away upwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp

import numpy as np

from trainvitals.maths.rise import Rise, last_rise
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.explanations import rate_raised, unmoved_validation
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

# Points on either side of an onset within which another event counts as its explanation; the onset is that exact.
ONSET_POINTS = 3
ONSET_FRACTION = 0.02
# A loss at twice its best level and above its start is no matter of taste.
CERTAIN_FACTOR = 2.0
# With fewer points than this, only such a loss is reported: noise and trend are estimated from a handful of points.
POINTS_FOR_SUBTLETY = 30
# A validation loss alone must end at so many times its start: overfitting rarely triples it.
VALIDATION_FACTOR = 3.0
# Nine in ten of fewer points is nearly all of them, which a wandering curve manages easily.
POINTS_TO_STAND_APART = 10
# Where no more is left than this of the loss that a run began with, it has learnt what there was, and goes up and down.
NEARLY_NOTHING_SHARE = 0.02
# What stands apart from all that came before for a tenth of the run, and for so many points that it can be told from
# noise, is a level of its own, however large the noise of single points.
LASTING_SHARE = 0.1
# exp of more overflows; what is printed is then a lower bound.
LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True)
class Divergence:
    """How a loss ends, and what else could explain it.

    Args:
        tag, split: of the loss; points: of the stretch that was judged.
        rise: how far it ends above its best; None where it does not.
        onset_step, best_step, last_step: in steps; None without a rise.
        rate_raised: the learning rate was raised at the onset to a value that it had had before.
        unmoved_validation: a validation loss that stayed at its best meanwhile.
    """

    tag: str
    split: str
    points: int
    rise: Rise | None = None
    onset_step: int | None = None
    best_step: int | None = None
    last_step: int | None = None
    rate_raised: bool = False
    unmoved_validation: str | None = None


class DivergingLoss(Rule[Divergence]):
    """The training loss runs away upwards and does not come back.

    What it finds
    -------------
    A loss that grows without bound, jumps to a level that it never leaves (often that of guessing), or climbs for the
    rest of the run. It says from which step on.

    Why it matters
    --------------
    Everything learnt before is lost, and further steps only cost. The last good checkpoint is the one before the onset.

    How it is detected
    ------------------
    Levels are medians of short blocks, compared as logarithms where the loss is never negative. The lowest of the last
    levels counts as the end, and its height above the best level must be

    * beyond noise: `many_noise_sds` standard deviations of a single point, or at `overwhelming_factor` times the start.
      With at least `noise_sds` both of the next conditions must hold, else one of them. Any noise is overcome by a
      tenth of the run, and 30 points, of which nine in ten are higher than nine in ten of all before;
    * unusual for this run: `earlier_factor` times larger than every earlier rise from which it came back; or nine in
      ten points since the onset higher than nine in ten of the equally many before (`overlap`);
    * far: `share_lost` of the progress since the start given back and `smallest_factor` above the best level
      (`factor_in_noise` where noise was not overcome), or `large_factor` above the best level.

    A loss below its start that has come back by more than half is recovering. The onset is where a line through the
    points before turns into a rise, fitted to the foot of the rise alone.

    A validation loss is judged only where there is no training loss, and then must end at three times its start: below
    that, `overfitting` is the likelier name.

    False alarms
    ------------
    Not a divergence, and not reported: one spike; a curve that wanders; a restart at the onset, after which only what
    follows is judged; a learning rate raised to where it was before (warm restart), unless the loss ends above its
    start; a training loss that rises while a validation loss stays at its best (other data, stronger augmentation); one
    that ends below a fiftieth of its start; losses of reinforcement learning and of adversaries. A loss that is changed
    on purpose, for example by a weight that is ramped up, looks like a divergence where no validation loss is there to
    tell.

    What to try
    -----------
    Go back to a checkpoint before the onset and lower the learning rate; clip gradients; a longer warm-up if it happens
    while the rate still rises.

    Sources
    -------
    Chowdhery et al. 2022 (PaLM), arXiv 2204.02311, on restarting before the spike; Wortsman et al. 2023, arXiv
    2309.14322, on divergence from too high a rate. The
    comparison with the run's own earlier rises is ours: of the 20 healthy and converged public runs that we have, none
    ends more than 2.0 standard deviations of a point above its best level, and of 18 curves of language models none
    ends above it at all.
    """

    code = "LOS002"
    name = "diverging-loss"
    summary = "The training loss runs away upwards and does not come back."
    reads = ("train_loss", "val_loss", "learning_rate")
    thresholds = (
        Threshold(
            "noise_sds",
            4.0,
            "The lowest of several medians lies this many standard deviations of one point above the best level by "
            "chance in far less than one run in a thousand.",
            "normal distribution; the other conditions carry the rest",
        ),
        Threshold(
            "earlier_factor",
            2.0,
            "A curve that has risen by half as much before, and come back, may do so again.",
            "of 15 healthy public runs that end above their best, 14 came back from more before; one is in its noise",
        ),
        Threshold(
            "overlap", 0.1, "Nine in ten points since the onset are higher than nine in ten before.", "convention"
        ),
        Threshold(
            "smallest_factor",
            1.1,
            "Less than a tenth above the best level is not running away, whatever the noise.",
            "convention",
        ),
        Threshold(
            "factor_in_noise",
            2.0,
            "Where the noise is not negligible, its slow part is hard to estimate; twice the best level is beyond it.",
            "simulated curves whose noise has a correlation of up to 0.9 from point to point",
        ),
        Threshold(
            "share_lost",
            0.5,
            "Half of the progress since the start given back.",
            "convention",
        ),
        Threshold(
            "large_factor",
            1.5,
            "Far above the best level though still below the start.",
            "convention",
        ),
        Threshold(
            "many_noise_sds",
            20.0,
            "Far outside of anything that noise can do, also noise whose neighbours resemble each other.",
            "convention",
        ),
        Threshold(
            "overwhelming_factor",
            10.0,
            "Ten times worse than an untrained model: no noise of a healthy run does that for good.",
            "convention",
        ),
        Threshold(
            "minimum_points",
            8,
            "With fewer points there is no level before and after.",
            "three points for the end, three for the level before, two in between",
        ),
    )
    absorbs = (
        "activation-growth",
        "loss-spikes",
        "plateau",
        "not-learning",
        "overfitting",
        "exploding-gradients",
    )
    interventions = (
        "lower-learning-rate",
        "clip-gradients",
        "restore-checkpoint",
        "longer-warmup",
        "lower-adam-beta2",
    )

    def measure(self, view: RunView) -> Divergence | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss = view.train_loss or view.val_loss
        if loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        curve, rise = _last_rise_without_restarts(loss)
        if rise is None:
            return Divergence(loss.tag, loss.split, len(curve))
        return Divergence(
            tag=loss.tag,
            split=loss.split,
            points=len(curve),
            rise=rise,
            onset_step=int(curve.step[rise.onset]),
            best_step=int(curve.step[rise.best_index]),
            last_step=int(curve.step[-1]),
            rate_raised=rate_raised(view.learning_rate, curve, rise.onset, within=_near(len(curve)), again=True),
            unmoved_validation=unmoved_validation(view, int(curve.step[rise.onset])),
        )

    def judge(self, measurement: Divergence, limits: Mapping[str, float]) -> list[Finding]:
        rise = measurement.rise
        if rise is None or measurement.points < limits["minimum_points"]:
            return []
        if not (_is_unusual(rise, measurement.points, limits) and _is_far(rise, measurement, limits)):
            return []
        if measurement.unmoved_validation is not None or (rise.from_start < 0 and 2 * rise.size < rise.largest):
            return []
        if rise.logarithmic and rise.end < NEARLY_NOTHING_SHARE * rise.start:
            return []
        above_start = rise.from_start > 0
        certain = above_start and rise.logarithmic and _factor(rise.size) >= CERTAIN_FACTOR
        where = "above where it began" if above_start else "far above its best"
        return [
            self.finding(
                Severity.ERROR,
                0.97 if certain else 0.9 if above_start else 0.85,
                f"{measurement.tag} runs away from step {measurement.onset_step:,} on and ends {where}: "
                f"{rise.best:.4g} at best, {rise.end:.4g} at the end",
                first_step=measurement.onset_step,
                last_step=measurement.last_step,
                evidence=tuple(_evidence(measurement, rise, limits)),
            )
        ]


def _last_rise_without_restarts(loss: LossCurve) -> tuple[Series, Rise | None]:
    """The rise at the end, and the stretch that was judged: what follows the last restart that explains one."""
    curve = loss.curve
    rise = last_rise(curve.value)
    for restart in loss.restarts:
        first = int(np.searchsorted(curve.step, restart))
        if rise is not None and abs(first - rise.onset) <= _near(len(curve)):
            curve = curve.take(slice(first, None))
            rise = last_rise(curve.value)
    return curve, rise


def _near(points: int) -> int:
    return max(ONSET_POINTS, round(ONSET_FRACTION * points))


def _is_unusual(rise: Rise, points: int, limits: Mapping[str, float]) -> bool:
    beyond_past = rise.size >= limits["earlier_factor"] * rise.earlier
    apart = rise.overlap <= limits["overlap"] and rise.points_since >= POINTS_TO_STAND_APART
    if _is_beyond_noise(rise, limits):
        return beyond_past or apart
    far_enough = beyond_past and rise.size >= limits["noise_sds"] * rise.noise_sd
    return apart and (far_enough or _is_own_level(rise, points, limits))


def _is_own_level(rise: Rise, points: int, limits: Mapping[str, float]) -> bool:
    lasting = rise.points_since >= max(POINTS_FOR_SUBTLETY, LASTING_SHARE * points)
    return lasting and rise.overlap_with_all <= limits["overlap"]


def _is_far(rise: Rise, measurement: Divergence, limits: Mapping[str, float]) -> bool:
    if not rise.logarithmic:
        explained = measurement.split == "val" or measurement.rate_raised
        return not explained and rise.size >= limits["share_lost"] * rise.fall
    factor, factor_from_start = _factor(rise.size), _factor(rise.from_start)
    if measurement.split == "val":
        return factor_from_start >= VALIDATION_FACTOR
    if measurement.rate_raised:
        return factor_from_start >= limits["smallest_factor"]
    if measurement.points < POINTS_FOR_SUBTLETY:
        return factor_from_start > 1 and factor >= limits["factor_in_noise"]
    beyond_noise = _is_beyond_noise(rise, limits)
    if rise.size >= limits["share_lost"] * rise.fall:
        certain = beyond_noise or _is_own_level(rise, measurement.points, limits)
        return factor >= limits["smallest_factor" if certain else "factor_in_noise"]
    return beyond_noise and factor >= limits["large_factor"]


def _is_beyond_noise(rise: Rise, limits: Mapping[str, float]) -> bool:
    far_above_start = rise.logarithmic and _factor(rise.from_start) >= limits["overwhelming_factor"]
    return far_above_start or rise.size >= limits["many_noise_sds"] * rise.noise_sd


def _factor(size: float) -> float:
    return exp(min(size, LARGEST_EXPONENT))


def _evidence(measurement: Divergence, rise: Rise, limits: Mapping[str, float]) -> Iterator[Evidence]:
    tag = measurement.tag
    times = f", {_factor(rise.size):.3g} times as high" if rise.logarithmic else ""
    yield Evidence(
        f"best level {rise.best:.4g} at step {measurement.best_step:,}, {rise.end:.4g} at the end{times}; "
        f"it began at {rise.start:.4g}",
        signal=tag,
        value=rise.end,
        threshold=rise.start,
        step=measurement.last_step,
    )
    if rise.noise_sd > 0:
        sds = rise.size / rise.noise_sd
        yield Evidence(
            f"the rise is {sds:.3g} standard deviations of the noise before it",
            signal=tag,
            value=sds,
            threshold=limits["noise_sds"],
            step=measurement.onset_step,
        )
    if rise.earlier > 0:
        yield Evidence(
            f"it is {rise.size / rise.earlier:.3g} times the largest rise before it; "
            f"{1 - rise.overlap:.0%} of the {rise.points_since:,} points since are above nine in ten before",
            signal=tag,
            value=rise.size / rise.earlier,
            threshold=limits["earlier_factor"],
            step=measurement.onset_step,
        )
