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


@dataclass(frozen=True, slots=True)
class CurveDifference:
    """How two curves differ on the steps that both have.

    Args:
        points: how many points were compared.
        since_step: where the difference that lasts to the end of the common steps begins; None where there is none.
        before, after: the levels of both at the end of the common steps.
        noise: standard deviation of the difference at a single point; relative where both are positive.
    """

    points: int
    since_step: int | None
    before: float
    after: float
    noise: float


def curve_difference(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> CurveDifference | None:
    """The lasting difference of two curves; None with too few common points.

    Both are laid over each other at the steps of the sparser one, on a logarithmic scale where all values are positive.
    From where they are no longer identical, the difference is averaged in stretches; it lasts from the first stretch on
    from which all differ, to the same side, beyond the noise of their means (correlated noise widens it) and by more
    than a trifle.

    Args:
        before, after: ``[T]`` strictly increasing steps and ``[T]`` finite values.
    """
    first = max(float(step[0]) if len(step) else math.inf for step, _ in (before, after))
    last = min(float(step[-1]) if len(step) else -math.inf for step, _ in (before, after))
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


def _sign(stretch: Floats, noise_sd: float, widened: float) -> int:
    """On which side of 0 the mean of a stretch lies; 0 where that cannot be told or does not matter."""
    mean = float(np.mean(stretch))
    error = noise_sd * math.sqrt(min(1.0, widened / len(stretch)))
    if abs(mean) <= max(SIGNIFICANT * error, NOTABLE * noise_sd):
        return 0
    return 1 if mean > 0 else -1
