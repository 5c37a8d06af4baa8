"""What the next steps should bring: the soft break, two forecasts that must agree, and the verdict from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals.maths.changepoint import SoftBreak, broken_residuals, find_soft_break
from trainvitals.maths.equivalence import Interval
from trainvitals.maths.forecast import Kind, fit_law, law_gain
from trainvitals.maths.noise import difference_noise_sd, lag_one_correlation
from trainvitals.maths.trend import fit_line
from trainvitals.model import Verdict
from trainvitals.progress.curve import BlockCurve

# The soft break is searched in the last 80 % of the steps: the first fifth has the curvature of a start, which no
# one law fits together with the rest.
SEARCH_SHARE = 0.8
# A law is fitted to the last 60 % of the steps: on real language-model curves its error is a fifth of that of a fit
# to the whole run.
LAW_SHARE = 0.6
# The second forecast is a line through the last quarter: as far back as the horizon looks ahead.
LINE_SHARE = 0.25
FEWEST_BEFORE_BREAK = 10
FEWEST_AFTER_BREAK = 8
FEWEST_FOR_LAW = 8
FEWEST_FOR_LINE = 6
# Large models follow power laws; small ones go exponentially to the noise floor of their learning rate.
LAWS: tuple[Kind, ...] = ("power", "exponential")
# A line through a bending curve overstates what is to come; where the law has it flat, the line may say twice as much.
BENT_MARGIN = 2.0
# A bend is accepted at the price of three parameters and a search, as a break is (about 3 ln n + 6 for 60 blocks).
BEND_COST = 4.5
# A descent that broke and goes on at less than a third of the pace that its law promised has stopped, even if noise
# forbids to say more; but a gain of ten times the smallest that counts is no standstill, whatever was promised.
STOPPED_SHARE = 1.0 / 3.0
LARGEST_MARGIN = 10.0
# A fall of which every single step is larger than twice the noise of a difference is no matter of luck, whatever its
# form: laws miss a fall that gets faster, or bends twice, by far more than its noise, and would call that noise.
STEP_SCORE = 2.0
# A regression is named only where the rise is half as large as the smallest gain that counts.
REGRESSION_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Outlook:
    """The verdict and the expected gain over the horizon.

    Args:
        gain: by the forecast that the verdict rests on.
        delta: the smallest gain that counts: as given, or for a plateau after a break a third of what the law before
            it promised, if that is more.
        begins: the block with which the regime that decides begins.
        flat_throughout: a line of no slope describes the whole curve.
    """

    verdict: Verdict
    gain: Interval
    delta: float
    begins: int
    flat_throughout: bool = False


def look_ahead(curve: BlockCurve, horizon: float, delta: float, confidence: float) -> Outlook:
    """Verdict on a curve of at least eight blocks.

    Args:
        horizon: how far to look, in steps.
        delta: the smallest gain that counts as progress.
        confidence: of the two-sided intervals.
    """
    whole = _line_gain(curve, horizon, confidence)
    if whole.within(delta) and not _bends(curve, LAWS):
        return Outlook(Verdict.PLATEAU, whole, delta, 0, flat_throughout=True)
    broken = _soft_break(curve)
    correlation = _noise_correlation(curve, broken)
    latest = curve.last_share(LINE_SHARE, FEWEST_FOR_LINE)
    by_line = _line_gain(curve.part(latest), horizon, confidence, correlation)
    regime = curve.part(curve.last_share(LAW_SHARE, FEWEST_FOR_LAW) if broken is None else broken)
    straight = broken is not None and not _bends(regime, ("exponential",))
    by_law = (
        _line_gain(regime, horizon, confidence, correlation) if straight else _law_gain(regime, horizon, confidence)
    )
    begins, margin = 0 if broken is None else broken, delta
    if broken is not None and straight:
        promised = _promised(curve, broken, horizon)
        margin = min(max(delta, STOPPED_SHARE * promised), LARGEST_MARGIN * delta)
    certified = by_line.low < margin if straight else by_line.within(BENT_MARGIN * margin)
    if by_law.within(margin) and certified:
        return Outlook(Verdict.PLATEAU, by_law, margin, begins if straight else latest)
    if by_line.within(margin):
        return Outlook(Verdict.PLATEAU, by_line, margin, latest if broken is None else broken)
    if by_law.low > 0 and by_line.low > 0:
        verdict = Verdict.PROGRESSING if by_law.estimate >= delta else Verdict.SLOW
        return Outlook(verdict, by_law, delta, begins)
    by_steps = _step_gain(curve.part(latest), difference_noise_sd(curve.value), horizon)
    if by_steps is not None and by_steps.estimate >= delta:
        return Outlook(Verdict.PROGRESSING, by_steps, delta, begins)
    regressing = by_line.high < -REGRESSION_SHARE * delta
    return Outlook(Verdict.REGRESSING if regressing else Verdict.INCONCLUSIVE, by_line, delta, begins)


def _promised(curve: BlockCurve, broken: int, horizon: float) -> float:
    """What the law before the break would still have gained over the horizon."""
    before = curve.part(0, broken)
    before = before.part(before.since((1.0 - LAW_SHARE) * curve.time[broken], FEWEST_FOR_LAW))
    law = fit_law(before.time, before.value, LAWS, lowest_floor=before.lowest_floor, weights=before.weights)
    now, then = law.predict(curve.time[-1] + np.array([0.0, horizon]))
    return float(now - then)


def _line_gain(curve: BlockCurve, horizon: float, confidence: float, correlation: float | None = None) -> Interval:
    """How far the line through a curve falls within the horizon."""
    change, low, high = fit_line(curve.time, curve.value, correlation).change(horizon, confidence)
    return Interval(0.0 - change, 0.0 - high, 0.0 - low)


def _step_gain(curve: BlockCurve, noise_sd: float, horizon: float) -> Interval | None:
    """What a fall in large steps gains at its latest pace: at least one more of its smallest steps, at most all of them
    at its fastest pace. None where any step is within the noise."""
    steps = -np.diff(curve.value)
    smallest = float(steps.min())
    if not smallest > STEP_SCORE * np.sqrt(2.0) * noise_sd:
        return None
    paces = steps / np.diff(curve.time)
    most = float(curve.value[-1]) if curve.lowest_floor == 0 else np.inf
    low = min(smallest, most)
    estimate = min(max(float(paces[-1]) * horizon, low), most)
    return Interval(estimate, low, min(max(float(paces.max()) * horizon, estimate), most))


def _noise_correlation(curve: BlockCurve, broken: int | None) -> float:
    """Lag-one correlation of the noise, from more blocks than the short lines have."""
    if broken is None:
        tail = curve.part(curve.last_share(LAW_SHARE, FEWEST_FOR_LAW))
        index = len(tail)
    else:
        start = curve.since((1.0 - LAW_SHARE) * curve.time[broken], len(curve) - broken + FEWEST_FOR_LAW)
        tail, index = curve.part(start), broken - start
    return lag_one_correlation(
        broken_residuals(tail.time, tail.value, index, LAWS, lowest_floor=tail.lowest_floor, weights=tail.weights)
    )


def _soft_break(curve: BlockCurve) -> int | None:
    """Where the last regime begins, or None where one law holds throughout."""
    start = curve.last_share(SEARCH_SHARE, FEWEST_BEFORE_BREAK + FEWEST_AFTER_BREAK)
    found = _search(curve.part(start), ("power",), FEWEST_BEFORE_BREAK)
    if found is None or not found.accepted:
        return None
    index = start + found.index
    near = curve.part(0, index).since((1.0 - LAW_SHARE) * curve.time[index], FEWEST_FOR_LAW)
    refined = _search(curve.part(near), LAWS, FEWEST_FOR_LAW)
    return index if refined is None else near + refined.index


def _search(curve: BlockCurve, laws: tuple[Kind, ...], first: int) -> SoftBreak | None:
    return find_soft_break(
        curve.time,
        curve.value,
        laws,
        first=first,
        last_margin=FEWEST_AFTER_BREAK,
        lowest_floor=curve.lowest_floor,
        weights=curve.weights,
    )


def _law_gain(curve: BlockCurve, horizon: float, confidence: float) -> Interval:
    return law_gain(
        curve.time,
        curve.value,
        LAWS,
        horizon,
        confidence=confidence,
        lowest_floor=curve.lowest_floor,
        weights=curve.weights,
    )


def _bends(curve: BlockCurve, laws: tuple[Kind, ...]) -> bool:
    """Whether a law of descent describes a curve clearly better than one straight line."""
    points = len(curve)
    line = fit_line(curve.time, curve.value)
    law = fit_law(curve.time, curve.value, laws, lowest_floor=curve.lowest_floor)
    straight = line.residual_sd**2 * (points - 2)
    return bool(straight - law.sse > BEND_COST * np.log(points) * law.sse / max(1, points - 4))
