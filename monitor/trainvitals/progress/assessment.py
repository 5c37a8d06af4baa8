"""The assessment of one loss curve: from points to a verdict, its reason, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.changepoint import constant_tail
from trainvitals.maths.equivalence import points_needed
from trainvitals.maths.noise import difference_noise_sd
from trainvitals.model import Reason, Verdict
from trainvitals.progress.curve import BlockCurve
from trainvitals.progress.descent import Descent, judge_descent
from trainvitals.progress.forecasts import Forecast, HeldForecast
from trainvitals.progress.ground import NoNewGround, new_ground
from trainvitals.progress.outlook import Outlook, look_ahead
from trainvitals.progress.regime import Rate, Regime, last_regime, rate_reason, schedule_ended, usable_rate


@dataclass(frozen=True, slots=True)
class ProgressLimits:
    """What counts as progress.

    Args:
        gain_share: the smallest decrease over the horizon that counts, as a share of the current loss. Real
            language-model runs gain 0.5 to 1.2 % over a quarter of their steps and nobody would call them flat.
        horizon_share: how far to look ahead, as a share of the steps done. Further out a forecast rests on its law
            more than on the data.
        confidence: of the two-sided intervals; 0.9 makes two one-sided tests at 5 %.
        fewest_points: no verdict on fewer: a line through fewer has hardly a standard error.
        blocks: the curve is averaged down to at most this many points, so that noise is near normal and a long
            series costs no more than a short one.
    """

    gain_share: float = 0.002
    horizon_share: float = 0.25
    confidence: float = 0.9
    fewest_points: int = 8
    blocks: int = 60


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on one loss. Gains are decreases, in the unit of the loss.

    Args:
        verdict, reason: the answer, and what qualifies it.
        gain, gain_low, gain_high: expected decrease over the next ``horizon_steps``, and its interval.
        delta: the smallest gain that counts as progress.
        minimum_detectable_gain: half the width of the interval: what the noise would have let us see.
        since_step: where the plateau, or else the last regime, began.
        first_step, last_step: of the points that were judged.
        level: the loss now; noise_sd: of its single points.
        points_used: in the regime that was judged; points_needed: for a verdict, where there is none.
        held: the loss repeats one value to the last digit since ``since_step``, which noise does not do.
        near_zero: next to nothing is left of the loss that the run began with.
        flat_throughout: there never was a descent.
        descent: the flat part beside the descent before it; None without a plateau or without a descent.
        no_new_ground: for most of the run the loss has stayed where it once was, whatever the verdict; else None.
    """

    verdict: Verdict
    reason: Reason | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    horizon_steps: int | None = None
    delta: float | None = None
    minimum_detectable_gain: float | None = None
    since_step: int | None = None
    first_step: int | None = None
    last_step: int | None = None
    level: float | None = None
    noise_sd: float | None = None
    points_used: int = 0
    points_needed: int | None = None
    held: bool = False
    near_zero: bool = False
    flat_throughout: bool = False
    descent: Descent | None = None
    no_new_ground: NoNewGround | None = None

    @property
    def abrupt(self) -> bool:
        """The descent broke off above the continuation of its own law, or froze to one value."""
        return self.held or (self.descent is not None and self.descent.abrupt)

    @property
    def learning_rate_explains(self) -> bool:
        """A low learning rate accounts for the flattening."""
        return self.reason in (Reason.LR_LIMITED, Reason.SCHEDULE_END)

    @property
    def stuck(self) -> bool:
        """Something stopped this run: a plateau that its own descent did not lead up to."""
        return (
            self.verdict is Verdict.PLATEAU and self.abrupt and not self.near_zero and not self.learning_rate_explains
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The verdict on one loss with what it was computed from.

    Args:
        confidence: of the interval of a gain.
        curve: the stretch that was judged; None where there was too little to judge.
        forecasts: the one that the verdict rests on, then the others that it was held against.
        broken_step: where the descent stops to follow its law, None where it follows one throughout.
    """

    assessment: Assessment
    confidence: float
    curve: BlockCurve | None = None
    forecasts: tuple[Forecast, ...] = ()
    broken_step: int | None = None

    @property
    def turned_step(self) -> int | None:
        """Where the loss became flat, else where it left the law of its descent; None where all that was judged is one.

        That the first steps of a run, or a warm-up, are not judged makes no turn.
        """
        flat = self.assessment.verdict is Verdict.PLATEAU
        turned, first = self.assessment.since_step if flat else self.broken_step, self.assessment.first_step
        return None if turned is None or first is None or turned <= first else turned


# Below 2 % of the loss it began with, a run has learned what there was; what is left is a matter of luck.
NEAR_ZERO_SHARE = 0.02
LEVEL_POINTS = 5
# A drop by more than half of a fall is most of it; one by twice the noise of a point is not noise.
MOSTLY_SHARE = 0.5
DROP_SCORE = 2.0
# With fewer points than half the blocks, more points help; with more, only less noise does.
FEW_POINTS = 30
# Beyond this, squares of losses overflow; a run with such a loss has other worries than its slope.
LARGEST = 1e100


def assess_progress(
    step: NDArray[np.int64],
    value: NDArray[np.float64],
    learning_rate: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None,
    breaks: Sequence[int] = (),
    limits: ProgressLimits = ProgressLimits(),
    remaining_steps: int | None = None,
) -> Assessment:
    """The verdict of ``judge_progress`` alone."""
    return judge_progress(step, value, learning_rate, breaks, limits, remaining_steps).assessment


def judge_progress(
    step: NDArray[np.int64],
    value: NDArray[np.float64],
    learning_rate: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None,
    breaks: Sequence[int] = (),
    limits: ProgressLimits = ProgressLimits(),
    remaining_steps: int | None = None,
) -> Judgement:
    """Judge one loss curve. Never raises on finite input, however odd.

    Args:
        step: ``[N]`` strictly increasing.
        value: ``[N]`` finite.
        learning_rate: its own steps and values, or None where it was not logged.
        breaks: steps at which the curve continues after a restart or a change of data.
        remaining_steps: how much of the run is still to come, if that is known.
    """
    if len(step) < limits.fewest_points:
        return Judgement(_too_few(step, value, limits), limits.confidence)
    rate = usable_rate(learning_rate, int(step[0]), int(step[-1]))
    regime = last_regime(step, rate, breaks, limits.fewest_points)
    begun = regime.start
    if len(step) - begun >= limits.fewest_points:
        dropped_at = _decisive_drop(step, _bounded(value), regime, limits.horizon_share)
        if dropped_at is None:
            return _judge(step, value, regime, rate, limits, remaining_steps)
        begun = int(np.searchsorted(step, dropped_at))
    # A regime that has only begun says nothing yet; but a run that improved until a moment ago still counts as such.
    before = slice(0, begun)
    if begun >= limits.fewest_points:
        earlier = last_regime(step[before], rate, breaks, limits.fewest_points)
        if begun - earlier.start >= limits.fewest_points:
            judgement = _judge(step[before], value[before], earlier, rate, limits, remaining_steps)
            if judgement.assessment.verdict in (Verdict.PROGRESSING, Verdict.SLOW):
                return judgement
    return Judgement(_too_few(step[begun:], value[begun:], limits), limits.confidence)


def _judge(
    step: NDArray[np.int64],
    value: NDArray[np.float64],
    regime: Regime,
    rate: Rate | None,
    limits: ProgressLimits,
    remaining_steps: int | None,
) -> Judgement:
    steps = step[regime.start :]
    values = _bounded(value[regime.start :])
    begin = regime.origin if regime.jump_step is None else regime.jump_step
    done = int(steps[-1]) - regime.origin
    curve = BlockCurve.of(steps, values, begin, done, limits.blocks)
    horizon = max(1, round(limits.horizon_share * done))
    if remaining_steps is not None:
        horizon = max(1, min(horizon, remaining_steps))
    delta = limits.gain_share * curve.scale
    start_level = float(np.median(_bounded(value[:LEVEL_POINTS])))
    base = Assessment(
        verdict=Verdict.INCONCLUSIVE,
        horizon_steps=horizon,
        delta=delta,
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        level=curve.level,
        noise_sd=curve.noise_sd,
        points_used=len(steps),
        near_zero=abs(curve.level) <= NEAR_ZERO_SHARE * abs(start_level),
        no_new_ground=new_ground(curve, start_level),
    )
    held = constant_tail(value[regime.start :])
    if held is not None:
        since = int(steps[held])
        flat = curve.part(min(int(np.searchsorted(curve.first_step, since)), len(curve) - 1))
        return Judgement(_held(base, since, rate), limits.confidence, curve, (HeldForecast(flat),))
    outlook = look_ahead(curve, float(horizon), delta, limits.confidence)
    slowed = rate_reason(rate, regime, int(steps[-1]))
    assessment = _judged(base, curve, outlook, rate, slowed)
    if regime.last_cut is not None and assessment.verdict in (Verdict.PLATEAU, Verdict.PROGRESSING):
        # Cuts explain how a joined stretch ended; that it still falls means that they have not ended it.
        reason = slowed if assessment.verdict is Verdict.PLATEAU else Reason.LR_LIMITED
        assessment = replace(assessment, reason=reason)
    broken = None if outlook.broken is None else int(curve.first_step[outlook.broken])
    return Judgement(assessment, limits.confidence, curve, outlook.forecasts, broken)


def _bounded(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.asarray(value, dtype=np.float64), -LARGEST, LARGEST)


def _decisive_drop(step: NDArray[np.int64], value: NDArray[np.float64], regime: Regime, share: float) -> int | None:
    """The step of the last cut of the rate, if a joined stretch gained by it most of what it gained of late.

    Such a drop is neither a trend nor a plateau, and the few points since do not show which one it led to.
    """
    if regime.last_cut is None:
        return None
    cut = int(np.searchsorted(step, regime.last_cut))
    late = int(np.searchsorted(step, step[-1] - share * (step[-1] - regime.origin)))
    before = value[max(regime.start, min(late, cut - LEVEL_POINTS)) : cut]
    now = float(np.median(value[cut:]))
    dropped = float(np.median(before[-LEVEL_POINTS:])) - now
    fell = float(np.median(before[:LEVEL_POINTS])) - now
    noise = difference_noise_sd(value[regime.start :])
    return regime.last_cut if dropped > max(MOSTLY_SHARE * fell, DROP_SCORE * noise) else None


def _held(base: Assessment, since: int, rate: Rate | None) -> Assessment:
    """One value to the last digit: nothing moves, and no forecast is needed."""
    ended = schedule_ended(rate, since, base.last_step or since)
    return replace(
        base,
        verdict=Verdict.PLATEAU,
        reason=Reason.SCHEDULE_END if ended else Reason.CONVERGED if base.near_zero else None,
        gain=0.0,
        gain_low=0.0,
        gain_high=0.0,
        minimum_detectable_gain=0.0,
        since_step=since,
        held=True,
    )


def _judged(
    base: Assessment, curve: BlockCurve, outlook: Outlook, rate: Rate | None, slowed: Reason | None
) -> Assessment:
    gain, verdict = outlook.gain, outlook.verdict
    begins, descent, reason = outlook.begins, None, None
    if verdict is Verdict.PLATEAU and not outlook.flat_throughout:
        descent = judge_descent(curve, begins, rate, outlook.delta)
        begins = descent.onset
        if base.near_zero or not descent.abrupt:
            reason = slowed or Reason.CONVERGED
    elif verdict is Verdict.INCONCLUSIVE:
        reason = Reason.TOO_FEW_POINTS if base.points_used < FEW_POINTS else Reason.NOISE_LIMITED
    elif verdict in (Verdict.PLATEAU, Verdict.SLOW):
        reason = slowed
    needed = points_needed(base.points_used, gain.half_width, outlook.delta)
    return replace(
        base,
        verdict=verdict,
        reason=reason,
        gain=gain.estimate,
        gain_low=gain.low,
        gain_high=gain.high,
        delta=outlook.delta,
        minimum_detectable_gain=gain.half_width,
        since_step=int(curve.first_step[begins]),
        # Where there are enough, the forecasts disagree, and more points of the same do not settle that.
        points_needed=needed if verdict is Verdict.INCONCLUSIVE and needed > base.points_used else None,
        flat_throughout=outlook.flat_throughout,
        descent=descent,
    )


def _too_few(step: NDArray[np.int64], value: NDArray[np.float64], limits: ProgressLimits) -> Assessment:
    seen = len(step) > 0
    return Assessment(
        verdict=Verdict.INCONCLUSIVE,
        reason=Reason.TOO_FEW_POINTS,
        first_step=int(step[0]) if seen else None,
        last_step=int(step[-1]) if seen else None,
        since_step=int(step[0]) if seen else None,
        level=float(np.median(np.clip(value, -LARGEST, LARGEST))) if seen else None,
        points_used=len(step),
        points_needed=limits.fewest_points,
    )
