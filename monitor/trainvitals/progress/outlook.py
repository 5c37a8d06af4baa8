"""What the next steps should bring: the soft break, two forecasts that must agree, and the verdict from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals.maths.changepoint import SoftBreak, broken_residuals, find_soft_break
from trainvitals.maths.equivalence import Interval
from trainvitals.maths.forecast import Kind, fit_law
from trainvitals.maths.noise import difference_noise_sd, lag_one_correlation
from trainvitals.maths.trend import fit_line
from trainvitals.model import Verdict
from trainvitals.progress.curve import BlockCurve
from trainvitals.progress.forecasts import LAWS, Forecast, LawForecast, LineForecast, StepForecast

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
# A line through a bending curve overstates what is to come; where the law has it flat, the line may say twice as much.
BENT_MARGIN = 2.0
# A bend is accepted at the price of three parameters and a search, as a break is (about 3 ln n + 6 for 60 blocks).
BEND_COST = 4.5
# A descent that broke and goes on at less than a third of the pace that its law promised has stopped, even if noise
# forbids to say more; but a gain of ten times the smallest that counts is no standstill, whatever was promised.
STOPPED_SHARE = 1.0 / 3.0
LARGEST_MARGIN = 10.0
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
        forecasts: the one that the verdict rests on, then the others that it was held against.
        broken: the block from which on the descent no longer follows its law, None where one law holds throughout.
    """

    verdict: Verdict
    gain: Interval
    delta: float
    begins: int
    forecasts: tuple[Forecast, ...]
    broken: int | None = None

    @property
    def flat_throughout(self) -> bool:
        """A line of no slope describes the whole curve, and nothing else was tried."""
        return len(self.forecasts) == 1


def look_ahead(curve: BlockCurve, horizon: float, delta: float, confidence: float) -> Outlook:
    """Verdict on a curve of at least eight blocks.

    Args:
        horizon: how far to look, in steps.
        delta: the smallest gain that counts as progress.
        confidence: of the two-sided intervals.
    """

    def gain(forecast: Forecast) -> Interval:
        return forecast.gains(np.array([horizon]), confidence)[0]

    throughout = LineForecast(curve)
    whole = gain(throughout)
    if whole.within(delta) and not _bends(curve, LAWS):
        return Outlook(Verdict.PLATEAU, whole, delta, 0, (throughout,))
    broken = _soft_break(curve)
    correlation = _noise_correlation(curve, broken)
    latest = curve.last_share(LINE_SHARE, FEWEST_FOR_LINE)
    line = LineForecast(curve.part(latest), correlation)
    by_line = gain(line)
    regime = curve.part(curve.last_share(LAW_SHARE, FEWEST_FOR_LAW) if broken is None else broken)
    straight = broken is not None and not _bends(regime, ("exponential",))
    law: Forecast = LineForecast(regime, correlation) if straight else LawForecast(regime)
    by_law = gain(law)
    begins, margin = 0 if broken is None else broken, delta
    if broken is not None and straight:
        promised = _promised(curve, broken, horizon)
        margin = min(max(delta, STOPPED_SHARE * promised), LARGEST_MARGIN * delta)
    certified = by_line.low < margin if straight else by_line.within(BENT_MARGIN * margin)
    if by_law.within(margin) and certified:
        return Outlook(Verdict.PLATEAU, by_law, margin, begins if straight else latest, (law, line), broken)
    if by_line.within(margin):
        return Outlook(Verdict.PLATEAU, by_line, margin, latest if broken is None else broken, (line, law), broken)
    if by_law.low > 0 and by_line.low > 0:
        verdict = Verdict.PROGRESSING if by_law.estimate >= delta else Verdict.SLOW
        return Outlook(verdict, by_law, delta, begins, (law, line), broken)
    steps = StepForecast.of(curve.part(latest), difference_noise_sd(curve.value))
    by_steps = None if steps is None else gain(steps)
    if steps is not None and by_steps is not None and by_steps.estimate >= delta:
        return Outlook(Verdict.PROGRESSING, by_steps, delta, begins, (steps, law, line), broken)
    regressing = by_line.high < -REGRESSION_SHARE * delta
    verdict = Verdict.REGRESSING if regressing else Verdict.INCONCLUSIVE
    return Outlook(verdict, by_line, delta, begins, (line, law), broken)


def _promised(curve: BlockCurve, broken: int, horizon: float) -> float:
    """What the law before the break would still have gained over the horizon."""
    before = curve.part(0, broken)
    before = before.part(before.since((1.0 - LAW_SHARE) * curve.time[broken], FEWEST_FOR_LAW))
    law = fit_law(before.time, before.value, LAWS, lowest_floor=before.lowest_floor, weights=before.weights)
    now, then = law.predict(curve.time[-1] + np.array([0.0, horizon]))
    return float(now - then)


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


def _bends(curve: BlockCurve, laws: tuple[Kind, ...]) -> bool:
    """Whether a law of descent describes a curve clearly better than one straight line."""
    points = len(curve)
    line = fit_line(curve.time, curve.value)
    law = fit_law(curve.time, curve.value, laws, lowest_floor=curve.lowest_floor)
    straight = line.residual_sd**2 * (points - 2)
    return bool(straight - law.sse > BEND_COST * np.log(points) * law.sse / max(1, points - 4))
