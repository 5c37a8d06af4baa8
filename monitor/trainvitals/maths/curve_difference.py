"""Since when two curves differ by more than their noise."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.comparison import comparison_scale
from trainvitals.maths.noise import difference_noise_sd, inflation, lag_one_correlation
from trainvitals.maths.robust import Floats, mad_scale

# Fewer common points give no noise to compare with.
FEWEST_POINTS = 30
# The curves are compared in so many stretches at most, each of so many points at least: a date to a twentieth of the
# run, and means whose noise is near normal.
MOST_STRETCHES, POINTS_A_STRETCH = 20, 5
# A difference lasts where so many stretches in a row have it.
FEWEST_STRETCHES = 2
# The noise, and how far it is correlated, is that around the medians of so many stretches: long enough that slow noise
# stays noise.
COARSE_STRETCHES = 4
# A stretch differs where its mean difference is beyond this many standard errors: by chance one in 16,000, which
# leaves room for errors that are themselves estimated.
SIGNIFICANT = 4.0
# ... and beyond this share of the noise of a single point, so that a long log does not make a trifle a difference.
NOTABLE = 0.5
# Too late for a row of stretches, a blow-up is told by its single points, so many at least: each this many standard
# deviations away, which no noise brings about so often in a row, ...
FAR = 10.0
# ... and beyond this factor, which another seed can do to a level. Where losses are negative: further than the other
# curve ever went.
BLOWN_UP = 2.0


@dataclass(frozen=True, slots=True)
class CurveDifference:
    """How two curves differ on the steps that both have.

    Args:
        points: how many points were compared, those that are finite in both.
        since_step: where the difference that lasts to the end of the common steps begins; None where there is none.
        before, after: the levels of both at the end of the common steps; not finite where only that one ends so.
        noise: standard deviation of the difference at a single point; relative where both are positive.
    """

    points: int
    since_step: int | None
    before: float
    after: float
    noise: float


def curve_difference(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> CurveDifference | None:
    """The lasting difference of two curves; None with too few common points.

    A curve that ends in values that are not finite where the other one does not differs from there on, if not before.
    Both are laid over each other at the steps of the sparser one, on a logarithmic scale where all values are positive.
    From where they are no longer identical, the difference is averaged in stretches; it lasts from the first stretch on
    from which all differ, to the same side, beyond the noise of their means (correlated noise widens it) and by more
    than a trifle. A blow-up that comes too late for that begins with the first of its points.

    Args:
        before, after: ``[T]`` strictly increasing steps and ``[T]`` values.
    """
    found = _finite_difference(_finite(before), _finite(after))
    end = min(_last(step) for step, _ in (before, after))
    common = [(step[step <= end], value[step <= end]) for step, value in (before, after)]
    if not all(len(step) for step, _ in common):
        return found
    broken = [_broken_since(curve) for curve in common]
    if (broken[0] is None) == (broken[1] is None):
        return found
    since_step = next(since for since in broken if since is not None)
    points, noise = 0, 0.0
    if found is not None:
        points, noise = found.points, found.noise
        since_step = since_step if found.since_step is None else found.since_step
    before_level, after_level = (_level(value) for _, value in common)
    return CurveDifference(points, since_step, before_level, after_level, noise)


def _last(step: Floats) -> float:
    return float(step[-1]) if len(step) else -math.inf


def _finite(curve: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    step, value = curve
    return step[np.isfinite(value)], value[np.isfinite(value)]


def _broken_since(curve: tuple[Floats, Floats]) -> int | None:
    """The step from which a curve is not finite to its end; None where it ends in a finite value."""
    step, value = curve
    finite = np.flatnonzero(np.isfinite(value))
    first = int(finite[-1]) + 1 if len(finite) else 0
    return int(step[first]) if first < len(step) else None


def _level(value: Floats) -> float:
    """Where a curve stands at its end: its last value where that is not finite, else the mean of its last twentieth."""
    if not math.isfinite(value[-1]):
        return float(value[-1])
    scaled, is_log = comparison_scale(value[np.isfinite(value)])
    level = float(np.mean(scaled[-max(1, len(scaled) // MOST_STRETCHES) :]))
    return math.exp(level) if is_log else level


def _finite_difference(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> CurveDifference | None:
    first = max(float(step[0]) if len(step) else math.inf for step, _ in (before, after))
    last = min(_last(step) for step, _ in (before, after))
    common = [step[(step >= first) & (step <= last)] for step, _ in (before, after)]
    steps = min(common, key=len)
    if len(steps) < FEWEST_POINTS:
        return None
    levels = np.concatenate([np.interp(steps, *curve) for curve in (before, after)])
    scaled, is_log = comparison_scale(levels)
    old, new = scaled[: len(steps)], scaled[len(steps) :]
    difference = new - old
    unlike = np.flatnonzero(difference)
    begin = int(unlike[0]) if len(unlike) else len(steps)
    since, noise_sd = _lasting(difference[begin:]) if len(steps) - begin >= FEWEST_POINTS else (None, 0.0)
    if since is None:
        usual = math.log(BLOWN_UP) if is_log else min(float(np.ptp(old)), float(np.ptp(new)))
        own_noise_sd = math.hypot(difference_noise_sd(old), difference_noise_sd(new))
        since = _blown_up(difference[begin:], max(usual, FAR * noise_sd, FAR * own_noise_sd))
    end = slice(-max(1, len(steps) // MOST_STRETCHES), None)
    before_level, after_level = (float(np.mean(part[end])) for part in (old, new))
    if is_log:
        before_level, after_level = math.exp(before_level), math.exp(after_level)
    since_step = None if since is None else int(steps[begin + since])
    return CurveDifference(len(steps), since_step, before_level, after_level, noise_sd)


def _lasting(difference: Floats) -> tuple[int | None, float]:
    """Where the difference begins that lasts to the end, None without one; and the noise of a single point."""
    stretches = np.array_split(np.arange(len(difference)), min(MOST_STRETCHES, len(difference) // POINTS_A_STRETCH))
    coarse = np.array_split(difference, COARSE_STRETCHES)
    residual = np.concatenate([part - np.median(part) for part in coarse])
    noise_sd = max(mad_scale(residual), difference_noise_sd(difference))
    widened = inflation(lag_one_correlation(residual))
    signs = [_sign(difference[stretch], noise_sd, widened) for stretch in stretches]
    row = len(list(itertools.takewhile(lambda sign: sign == signs[-1] != 0, reversed(signs))))
    return (int(stretches[-row][0]) if row >= FEWEST_STRETCHES else None), noise_sd


def _blown_up(difference: Floats, bar: float) -> int | None:
    """Where the difference goes beyond the bar for good, to one side; None where it does not."""
    sides = np.where(np.abs(difference) > bar, np.sign(difference), 0.0)
    row = len(list(itertools.takewhile(lambda side: side == sides[-1] != 0, reversed(sides))))
    return len(difference) - row if row >= POINTS_A_STRETCH else None


def _sign(stretch: Floats, noise_sd: float, widened: float) -> int:
    """On which side of 0 the mean of a stretch lies; 0 where that cannot be told or does not matter."""
    mean = float(np.mean(stretch))
    error = noise_sd * math.sqrt(min(1.0, widened / len(stretch)))
    if abs(mean) <= max(SIGNIFICANT * error, NOTABLE * noise_sd):
        return 0
    return 1 if mean > 0 else -1
