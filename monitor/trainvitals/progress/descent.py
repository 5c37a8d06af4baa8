"""Why a curve is flat: it arrived smoothly, or its descent broke off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.changepoint import find_onset
from trainvitals.maths.forecast import Kind, Law, fit_law
from trainvitals.maths.noise import inflation, lag_one_correlation
from trainvitals.progress.curve import BlockCurve
from trainvitals.progress.regime import Rate, rate_at, rate_time

# What a descent may look like before it stops, and every way to arrive smoothly that a stop must be told from.
DESCENT_LAWS: tuple[Kind, ...] = ("power", "exponential")
SMOOTH_LAWS: tuple[Kind, ...] = ("power", "exponential", "logistic")
# An optimizer of constant speed arrives at a vertex, sharp when seen close up; it counts against the whole curve.
ARRIVAL_LAWS: tuple[Kind, ...] = ("vertex",)
# The law of the descent is fitted to the last 60 % of the time before the stop, as forecasts are.
LAW_SHARE = 0.6
FEWEST_FOR_LAW = 6
# The law is tried on its own past: fitted to the first two thirds, it must not promise more than came true.
TRIAL_SHARE = 2.0 / 3.0

# Fewer points do not show whether a curve bends or breaks.
FEWEST_TO_TELL = 30
# A break is abrupt when all of these hold. Each guards against one way of being wrong:
# place and level of the stop are two more parameters than a smooth law has, at the price of a strict information
# criterion (three log n a pair) on the noise around the broken law;
EVIDENCE_PER_LOG_N = 3.0
# a smooth law misses a real kink by some percent of its depth; less is a matter of digits, however significant;
SMALLEST_MISFIT_SHARE = 0.02
# what the law promised and what is missing agree, else the law does not explain what was lost;
MISSING_TO_PROMISED = (0.5, 2.0)
# and the law was not already too optimistic about its own past: then the descent was bending before it stopped.
LARGEST_OPTIMISM_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Descent:
    """The flat part of a curve beside the law of the descent before it. Losses in the unit of the loss.

    Args:
        onset: block with which the flat part begins.
        promised: by how much the law would have fallen since, looking no further ahead than it was seen.
        missing: by how much the loss now lies above that.
        evidence: how much better the broken law fits than any smooth one, in residual variances; required likewise.
        misfit: root mean square error of the best smooth law.
        optimism: by how much the law, tried on its own past, promised too much.
        delta: the smallest loss that counts.
    """

    onset: int
    promised: float = 0.0
    missing: float = 0.0
    evidence: float = 0.0
    required: float = 0.0
    misfit: float = 0.0
    optimism: float = 0.0
    delta: float = 0.0

    @property
    def abrupt(self) -> bool:
        """The descent broke off above the continuation of its own law."""
        low, high = MISSING_TO_PROMISED
        return (
            self.evidence > self.required
            and self.missing > self.delta
            and low * self.promised < self.missing < high * self.promised
            and self.misfit > SMALLEST_MISFIT_SHARE * self.missing
            and self.optimism < LARGEST_OPTIMISM_SHARE * self.missing
        )


def judge_descent(curve: BlockCurve, guess: int, rate: Rate | None, delta: float) -> Descent:
    """Find where the flat part of a curve that ends flat begins, and compare it with the descent before.

    Args:
        guess: a block near the beginning of the flat part; it is searched from a third of the way there.
        rate: the learning rate, if known: then laws may run in its time. Else schedules that decay to zero at the end
            of the run count among the smooth ways to arrive, since they cannot be excluded.
        delta: the smallest loss that counts.
    """
    onset = _find_onset(curve, guess)
    if onset < FEWEST_FOR_LAW or len(curve) < FEWEST_TO_TELL:
        return Descent(onset)
    first = curve.part(0, onset).since((1.0 - LAW_SHARE) * curve.time[onset], FEWEST_FOR_LAW)
    part, stop = curve.part(first), onset - first
    fallen, flat = slice(0, stop), part.part(stop)
    level = float(np.average(flat.value, weights=flat.weights))
    flat_sse = float(np.sum(flat.weights * (flat.value - level) ** 2))
    seen_for = float(part.time[stop - 1] - curve.time[0])
    reach = min(len(part) - 1, int(np.searchsorted(part.time, part.time[stop] + seen_for)))

    clocks = _clocks(part, rate)
    time, law = _least_promising(part, clocks if rate is not None else clocks[:1], fallen, reach)
    then, now = law.predict(time[[stop, reach]])
    known = max(4, round(TRIAL_SHARE * stop))
    trial = _fit(part, time, slice(0, known), (law.kind,))
    residuals = np.concatenate([part.value[fallen] - law.predict(time[fallen]), flat.value - level])

    smooth = min(_fit(part, clock, slice(None), SMOOTH_LAWS).sse for clock in clocks)
    arrival = _fit(curve, curve.time, slice(None), ARRIVAL_LAWS).sse
    descent = _fit(curve, curve.time, slice(0, onset), DESCENT_LAWS).sse
    return Descent(
        onset=onset,
        promised=float(then - now),
        missing=level - float(now),
        evidence=min(
            _evidence(smooth, law.sse + flat_sse, part),
            _evidence(arrival, descent + flat_sse, curve),
        ),
        required=_required(residuals * np.sqrt(part.weights)),
        misfit=float(np.sqrt(smooth / part.weights.sum())),
        optimism=float(np.mean(part.value[known:stop] - trial.predict(time[known:stop]))),
        delta=delta,
    )


def _find_onset(curve: BlockCurve, guess: int) -> int:
    begin = guess // 3
    searched = curve.part(begin)
    return begin + find_onset(
        searched.time,
        searched.value,
        DESCENT_LAWS,
        lowest_floor=searched.lowest_floor,
        weights=searched.weights,
    )


def _least_promising(
    part: BlockCurve, clocks: Sequence[NDArray[np.float64]], fallen: slice, reach: int
) -> tuple[NDArray[np.float64], Law]:
    """Of the clocks in which a law describes the descent about equally well, the one that promises least."""
    laws = [(clock, _fit(part, clock, fallen, DESCENT_LAWS)) for clock in clocks]
    points = fallen.stop
    worst = min(law.sse for _, law in laws) * (1.0 + EVIDENCE_PER_LOG_N * np.log(points) / points)
    return max(
        ((clock, law) for clock, law in laws if law.sse <= worst),
        key=lambda candidate: float(candidate[1].predict(candidate[0][[reach]])[0]),
    )


def _required(residuals: NDArray[np.float64]) -> float:
    """The evidence that a break needs on noise of this correlation."""
    return EVIDENCE_PER_LOG_N * float(np.log(len(residuals))) * inflation(lag_one_correlation(residuals))


def _evidence(smooth: float, broken: float, curve: BlockCurve) -> float:
    """How much better the broken law fits, in variances of the noise around it."""
    rounding = (1e-12 * float(np.abs(curve.value).max())) ** 2
    noise = broken / max(1, len(curve) - 6) + rounding
    return (smooth - broken) / noise if noise > 0 else 0.0


def _fit(curve: BlockCurve, time: NDArray[np.float64], points: slice, kinds: Sequence[Kind]) -> Law:
    return fit_law(
        time[points],
        curve.value[points],
        kinds,
        lowest_floor=curve.lowest_floor,
        weights=curve.weights[points],
    )


def _clocks(curve: BlockCurve, rate: Rate | None) -> list[NDArray[np.float64]]:
    """The times in which a law may run: steps first, then those of the learning rate or of likely schedules."""
    if rate is not None:
        eta = rate_at(rate, curve.first_step)
        return [curve.time, rate_time(curve.time, eta)]
    end = 1.5 * curve.time[-1] - 0.5 * curve.time[-2]
    cosine = (1.0 + np.cos(np.pi * curve.time / end)) / 2.0
    linear = 1.0 - curve.time / end
    return [curve.time, rate_time(curve.time, cosine), rate_time(curve.time, linear)]
