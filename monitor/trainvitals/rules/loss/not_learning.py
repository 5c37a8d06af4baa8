"""LOS004: the loss never left the level it began at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import block_means, mad_scale
from trainvitals.model import Evidence, Finding, Series, Severity, Verdict
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.both_still import BothStill, both_still
from trainvitals.rules.loss.chance import chance_classes
from trainvitals.rules.loss.metric_movement import METRIC_POINTS, change_of, flat_metric, is_good, metric_at_chance
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

# The level is followed over so many blocks: the first is the beginning, and twenty show an excursion in between.
BLOCKS = 20
# The bound of a one-sided 95 % interval for a normal error.
ONE_SIDED_95 = 1.645
# An excursion below the start must be deeper than the lowest of twenty noisy blocks to count.
CERTAIN_FALL_SDS = 5.0
LOWEST_OF_BLOCKS_SDS = 3.0
# Fewer points than this must be corroborated by a metric or by the level of guessing.
POINTS_TO_STAND_ALONE = 30
# A log that begins later than this share of its last step, and than twice its spacing, continues another one.
RESUMED_SHARE, RESUMED_SPACINGS = 0.05, 2.0
# Frameworks write these where nothing was measured; `nothing-to-judge` speaks of them.
PLACEHOLDERS = (-1.0, 0.0, 1.0)
# Still in warm-up: the rate was highest in the last tenth, and above half of that for less than a fifth of the steps.
WARMUP_END_SHARE, WARMUP_HALF_SHARE = 0.9, 0.2
# A loss came to rest at once where it stays at its level from the third of its blocks on; soon, where it does so for
# three quarters of the run after no more than an untrained model lies above guessing by what it puts out at random.
SETTLED_BLOCK, SETTLED_SOON_BLOCK = 2, 5
LARGEST_FALL_TO_GUESSING = 0.15
# Beyond so many classes a constant term in the loss is as likely, which makes any fall a small share.
MOST_CLASSES_TO_SETTLE_ON = 20
# The whole level must lie nearer to ln(K) than the nearest levels of chance to each other: one in twenty does by luck.
GUESSING_MATCH, GUESSING_MATCH_OF_BLOCK = 0.002, 0.005
FEWEST_SETTLED_POINTS = 12


@dataclass(frozen=True, slots=True)
class Stillness:
    """How little a loss moved, and what else speaks for or against learning.

    Args:
        tag: of the loss; points, first_step, last_step: of its curve.
        start, end, lowest: levels of the first block, the second half and the lowest block.
        reference: the level from which a gain would be learning: the start, or guessing where that is lower.
        gain_high: upper bound of reference minus end; block_sd: noise of one block.
        constant: all values are the same to the last digit.
        spread: largest minus smallest value; of the second half where the start lies above guessing.
        improving: something that says that it does learn, in words.
        resumed: the log continues another one; warming_up: the learning rate is still rising.
        flat_metric: a metric that did not move, at chance where there is one, and its last value.
        classes: the number of classes whose guessing would cost this much.
        both: what training and validation loss say together, where the schedule has ended.
    """

    tag: str
    points: int
    first_step: int
    last_step: int
    start: float
    end: float
    lowest: float
    reference: float
    gain_high: float
    block_sd: float
    constant: bool
    spread: float
    improving: str | None
    resumed: bool
    warming_up: bool
    flat_metric: tuple[str, float] | None
    classes: int | None
    both: BothStill | None = None


class NotLearning(Rule[Stillness]):
    """The loss never left the level at which it began.

    What it finds
    -------------
    Runs that learnt nothing from the first step on: a loss that stays at its initial level within its noise, often that
    of guessing, ln(number of classes); that falls to guessing from a start above it and stays; or that never changes.

    Why it matters
    --------------
    This is not slow progress that patience would cure. Something is not connected, or the learning rate is wrong by
    orders of magnitude, and every further step is wasted.

    How it is detected
    ------------------
    The loss is averaged in 20 blocks. The upper bound of the gain from the first block to the second half is below
    `gain_share` of the level (an equivalence test: absence of a trend is not enough), no block lies further below the
    start, and the progress verdict is not "progressing". With fewer than 30 points a metric that does not move or the
    level of guessing must agree, and all values lie within `gain_share`. A loss that repeats one value to the last
    digit is an error, as is one at the level of guessing with a metric at chance.

    Where the training loss is too noisy to prove it, both losses may together, once the learning rate is down to next
    to nothing (until then a saddle may end): neither has fallen provably since the first validation, the validation
    loss by at most `hidden_share` and the training loss since its start by at most twice that.

    A first step may cost more than guessing, and falling from there to ln(K) is not learning yet: where a metric stands
    at chance all the time (accuracy 1/K, area under the ROC curve 0.5), the gain counts from ln(K) on. Without a metric
    training and validation loss must both stand on ln(K) within noise from the first tenth of the run on: what was
    learnt costs different amounts on different data. Or from the first quarter on, after a fall by no more than 15 %,
    if both are at ln(K) to a five-hundredth and K is at most 20.

    The level of guessing is a hint and never the proof: ln(K) lies near any number for some K.

    False alarms
    ------------
    Not reported: a metric or validation loss that improves; a run that began well (a good metric, or a loss below
    `low_level` and no metric to tell); a log that continues another one; a learning rate still in warm-up; a loss that
    is noisy enough to hide a gain; reinforcement learning. Continued training of a model that knows its data already
    looks the same.

    What to try
    -----------
    Overfit a single batch: if that fails, the wiring is wrong (optimizer without these parameters, detached graph,
    frozen layers, labels without relation to inputs, softmax applied twice). If it works, raise the learning rate
    tenfold.

    Sources
    -------
    Karpathy 2019, "A recipe for training neural networks" (initial loss, overfit one batch); Schuirmann 1987 (two
    one-sided tests).
    """

    code = "LOS004"
    name = "not-learning"
    summary = "The loss never left the level at which it began."
    reads = ("train_loss", "val_loss", "learning_rate", "metrics")
    thresholds = (
        Threshold(
            "gain_share",
            0.02,
            "Less than a fiftieth of the loss gained in the whole run: for ten classes 0.05 nats, hardly above chance.",
            "convention",
        ),
        Threshold(
            "low_level",
            0.1,
            "A loss this low may be that of a trained model: a cross-entropy of 0.1 gives the right class nine in ten.",
            "exp(-0.1)",
        ),
        Threshold(
            "hidden_share",
            0.05,
            "Of the validation loss: what its noise may hide, where neither loss fell provably in a whole schedule.",
            "convention; the healthy trainings of the exam with the least to learn gain a tenth",
        ),
        Threshold(
            "minimum_points",
            8,
            "Fewer points show no level.",
            "as for the progress verdict",
        ),
    )
    absorbs = ("plateau",)
    interventions = (
        "overfit-one-batch",
        "check-wiring",
        "raise-learning-rate",
        "lower-learning-rate",
        "check-loss-inputs",
    )

    def measure(self, view: RunView) -> Stillness | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss = view.train_loss or view.val_loss
        if loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        if len(loss) < 3:
            return NotEnough()
        return _stillness(loss, view)

    def judge(self, measurement: Stillness, limits: Mapping[str, float]) -> list[Finding]:
        still = measurement
        if still.points < limits["minimum_points"] or still.improving or still.resumed or still.warming_up:
            return []
        if still.constant:
            return [] if still.start in PLACEHOLDERS else [self._found(still, limits, Severity.ERROR, 0.97)]
        margin = limits["gain_share"] * abs(still.reference)
        left = still.reference - still.lowest > margin + LOWEST_OF_BLOCKS_SDS * still.block_sd
        if still.gain_high >= margin or left:
            return self._found_together(still, limits)
        corroborated = still.flat_metric is not None or still.classes is not None
        # A constant term makes any gain a small share of the loss; alone, a fall far beyond the noise is learning.
        if not corroborated and still.start - still.end > CERTAIN_FALL_SDS * still.block_sd:
            return []
        if not corroborated and (still.points < POINTS_TO_STAND_ALONE or abs(still.start) < limits["low_level"]):
            return []
        if still.points < POINTS_TO_STAND_ALONE and still.spread > margin:
            return []
        if still.flat_metric is not None and still.classes is not None:
            return [self._found(still, limits, Severity.ERROR, 0.95)]
        return [self._found(still, limits, Severity.WARNING, 0.85 if corroborated else 0.7)]

    def _found_together(self, still: Stillness, limits: Mapping[str, float]) -> list[Finding]:
        both, hidden = still.both, limits["hidden_share"]
        if both is None or both.val.share_high > hidden or both.train.share_high > 2 * hidden:
            return []
        if abs(both.val.start) < limits["low_level"]:
            return []
        train, val = both.train, both.val
        return [
            self.finding(
                Severity.WARNING,
                0.85,
                f"{train.tag} and {val.tag} end the schedule where they began: {train.start:.4g} and {val.start:.4g} "
                f"at first, {train.end:.4g} and {val.end:.4g} in the second half",
                first_step=still.first_step,
                last_step=still.last_step,
                evidence=tuple(
                    Evidence(
                        f"{loss.tag} has not fallen provably; its noise hides a fall of at most {loss.gain_high:.3g}",
                        signal=loss.tag,
                        value=loss.gain_high,
                        threshold=share * abs(loss.start),
                        step=still.last_step,
                    )
                    for loss, share in ((val, hidden), (train, 2 * hidden))
                ),
            )
        ]

    def _found(self, still: Stillness, limits: Mapping[str, float], severity: Severity, confidence: float) -> Finding:
        never = "never left its initial level"
        if still.constant:
            never = "never changes"
        elif still.reference < still.start:
            never = "only fell to the level of guessing"
        return self.finding(
            severity,
            confidence,
            f"{still.tag} {never}: {still.start:.4g} at first, {still.end:.4g} at the end of {still.points:,} points",
            first_step=still.first_step,
            last_step=still.last_step,
            evidence=tuple(_evidence(still, limits)),
        )


def _stillness(loss: LossCurve, view: RunView) -> Stillness:
    step, value = loss.curve.step, np.asarray(loss.curve.value, dtype=np.float64)
    levels = _levels(loss)
    later = levels[len(levels) // 2 :]
    # Blocks carry what is slow in the noise; differences of points would not.
    block_sd = max(mad_scale(later), difference_noise_sd(levels))
    start, end = float(levels[0]), float(np.median(later))
    classes = chance_classes(end)
    at_chance = None if classes is None else metric_at_chance(view, classes)
    guessing = np.inf
    if classes is not None and (at_chance is not None or _all_settled_on(float(np.log(classes)), view)):
        guessing = float(np.log(classes))
    reference = min(start, guessing)
    blocks_in_gain = 1 / len(later) + (reference == start)
    return Stillness(
        tag=loss.tag,
        points=len(value),
        first_step=int(step[0]),
        last_step=int(step[-1]),
        start=start,
        end=end,
        lowest=float(levels.min()),
        reference=reference,
        gain_high=reference - end + ONE_SIDED_95 * block_sd * float(np.sqrt(blocks_in_gain)),
        block_sd=block_sd,
        constant=bool(np.all(value == value[0])),
        spread=float(np.ptp(value if reference == start else value[len(value) // 2 :])),
        improving=_improving(loss, view),
        resumed=_is_resumed(loss.curve),
        warming_up=_is_warming_up(view.learning_rate),
        flat_metric=at_chance or flat_metric(view),
        classes=classes,
        both=both_still(view),
    )


def _levels(loss: LossCurve) -> NDArray[np.float64]:
    step, value = loss.curve.step, np.asarray(loss.curve.value, dtype=np.float64)
    return block_means(step.astype(np.float64), value, min(BLOCKS, len(value))).value


def _all_settled_on(level: float, view: RunView) -> bool:
    """Whether losses on different data, and no metric to tell, all came to rest on a level, at once or soon."""
    losses = [loss for loss in view.losses if len(loss) >= FEWEST_SETTLED_POINTS]
    if view.signals.metrics or len(losses) < max(2, len(view.losses)):
        return False
    at_once = all(_settled_on(level, loss, SETTLED_BLOCK, 0.0) for loss in losses)
    if at_once and all(len(loss) >= POINTS_TO_STAND_ALONE for loss in losses):
        return True
    first = float(_levels(losses[0])[0])
    if first - level > LARGEST_FALL_TO_GUESSING * first or level > np.log(MOST_CLASSES_TO_SETTLE_ON) + 1e-9:
        return False
    return all(
        _settled_on(level, loss, SETTLED_SOON_BLOCK, GUESSING_MATCH_OF_BLOCK * level) for loss in losses
    ) and all(
        abs(float(np.mean(_levels(loss)[SETTLED_SOON_BLOCK:])) - level) <= GUESSING_MATCH * level for loss in losses
    )


def _settled_on(level: float, loss: LossCurve, block: int, tolerance: float) -> bool:
    settled = _levels(loss)[block:]
    noise_sd = max(mad_scale(settled), difference_noise_sd(settled))
    return float(np.max(np.abs(settled - level))) <= max(LOWEST_OF_BLOCKS_SDS * noise_sd, tolerance)


def _improving(loss: LossCurve, view: RunView) -> str | None:
    """What says that the model does learn, or knew everything before."""
    for metric in view.signals.metrics:
        series = view.series(metric.tag).finite()
        change = change_of(series)
        if change is not None and (change > 0) == (metric.better == "up") and change != 0:
            return f"{metric.tag} improves"
        if len(series) and is_good(series, better_up=metric.better == "up"):
            return f"{metric.tag} is good"
    for other in view.losses:
        change = change_of(other.curve)
        if other.tag != loss.tag and change is not None and change < 0:
            return f"{other.tag} falls"
    return "it is progressing" if view.assess(loss).verdict is Verdict.PROGRESSING else None


def _is_resumed(curve: Series) -> bool:
    spacing = float(np.median(np.diff(curve.step)))
    first = int(curve.step[0])
    return first > RESUMED_SPACINGS * spacing and first > RESUMED_SHARE * int(curve.step[-1])


def _is_warming_up(rate: Series | None) -> bool:
    if rate is None or len(rate) < METRIC_POINTS or not float(rate.value.max()) > 0:
        return False
    peak = float(rate.value.max())
    peak_after = int(rate.step[int(np.argmax(rate.value))] - rate.step[0])
    at_end = peak_after >= WARMUP_END_SHARE * float(np.ptp(rate.step))
    return at_end and float(np.mean(rate.value >= peak / 2)) < WARMUP_HALF_SHARE


def _evidence(still: Stillness, limits: Mapping[str, float]) -> Iterator[Evidence]:
    if still.constant:
        yield Evidence(
            f"all {still.points:,} values are {still.start:.6g}",
            signal=still.tag,
            value=still.start,
            step=still.first_step,
        )
    else:
        yield Evidence(
            f"from {still.start:.4g} in the first twentieth to {still.end:.4g} in the second half: a gain of at most "
            f"{max(still.gain_high, 0.0):.3g} (95 %){' over guessing' if still.reference < still.start else ''}",
            signal=still.tag,
            value=still.gain_high,
            threshold=limits["gain_share"] * abs(still.reference),
            step=still.last_step,
        )
        yield Evidence(f"its lowest level is {still.lowest:.4g}", signal=still.tag, value=still.lowest)
    if still.classes is not None:
        yield Evidence(
            f"guessing among {still.classes:,} classes costs ln({still.classes:,}) = {np.log(still.classes):.4g}",
            signal=still.tag,
            value=still.end,
            threshold=float(np.log(still.classes)),
        )
    if still.flat_metric is not None:
        tag, value = still.flat_metric
        yield Evidence(f"{tag} does not move either; it ends at {value:.4g}", signal=tag, value=value)
