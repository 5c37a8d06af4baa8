"""The period of the training loss, as two rules need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.period import SHORTEST_PERIOD, SHORTEST_SAMPLED_PERIOD, Period, find_period
from trainvitals.model import Series
from trainvitals.progress.regime import rate_jumps
from trainvitals.view import RunView

SMALLEST_SHARE, SHARE_TIMES_POINTS = 0.25, 40.0
"""Of the variance that the phase must explain, at least the second over the points: the best of all periods explains
up to 25 / N of N values of noise."""

SMALLEST_AGREEMENT = 0.4
"""Correlation of the profiles of any two thirds: a rhythm of the training itself drifts, the order of data does not."""

STEEPER = 2.0
"""Times the steepest rise, by which the steepest fall is a step down, and not one tooth of a saw."""

RAMP_SHARE = 0.6
"""Of the profile's variance that a line from step to step explains."""

SMOOTH, SMOOTH_TIMES_BINS = 0.3, 2.5
"""Correlation of neighbouring places of a cycle, at least the second over the root of their number: that of noise, of
which one in a hundred and sixty exceeds it. Neighbours that differ as much as others are random batches."""


@dataclass(frozen=True, slots=True)
class LossPeriod:
    """A period that the training loss has.

    Args:
        tag: of the loss. steps: length of the period. cycles: how many were seen.
        share, agreement: as in ``Period``.
        swing: from the lowest to the highest phase, over the level of the loss.
        by_rate: the share of the learning rate's variance that the same period explains.
        steps_down: flat or slowly rising against the trend, with a step down once a period: examples that are
            remembered from the epoch before.
        smooth: neighbouring places of the cycle are alike: the data change slowly within it. Where they are not, random
            batches come again in the same order, and only the noise of the loss repeats.
        first_step, last_step: of the loss since its last restart.
    """

    tag: str
    steps: float
    cycles: float
    share: float
    agreement: float
    swing: float
    by_rate: float
    steps_down: bool
    smooth: bool
    first_step: int
    last_step: int

    def is_harmful(self, limits: Mapping[str, float]) -> bool:
        """Whether the loss swings visibly, and because what it is shown changes."""
        return self.swing >= limits["smallest_swing"] and self.smooth and not self.steps_down


def loss_period(view: RunView) -> LossPeriod | None:
    """The period of the training loss since its last restart; None where it has none that stands out.

    How far a loss swings depends on the learning rate. Where the whole has no period, the longest stretch between two
    jumps of the rate may have one.
    """
    loss, rate = view.train_loss, view.learning_rate
    if loss is None or not view.signals.supervised:
        return None
    curve = loss.curve.take(loss.curve.step >= max(loss.restarts, default=np.iinfo(np.int64).min))
    found, stretch = _period_of(loss.tag, curve, rate), _longest_at_one_rate(curve, rate)
    return found if found is not None or len(stretch) == len(curve) else _period_of(loss.tag, stretch, rate)


def _longest_at_one_rate(curve: Series, rate: Series | None) -> Series:
    jumps = [] if rate is None else rate_jumps((rate.step, np.asarray(rate.value, np.float64)))
    edges = [0, *np.searchsorted(curve.step, jumps).tolist(), len(curve)]
    begin, end = max(pairwise(edges), key=lambda stretch: stretch[1] - stretch[0])
    return curve.take(slice(begin, end))


def _period_of(tag: str, curve: Series, rate: Series | None) -> LossPeriod | None:
    value = np.asarray(curve.value, dtype=np.float64)
    if len(value) < 2:
        return None
    spacing = (int(curve.step[-1]) - int(curve.step[0])) / (len(curve) - 1)
    period = _standing_out(value, SHORTEST_PERIOD)
    if period is None and spacing >= 2:
        # A loss of every step that swings from one step to the next does so by the size of its steps.
        period = _standing_out(value, SHORTEST_SAMPLED_PERIOD)
        period = None if period is None or period.length >= SHORTEST_PERIOD else period
    if period is None:
        return None
    level = abs(float(np.median(value[period.first :])))
    if not level > 0:
        return None
    by_rate = 0.0 if rate is None else period.explains(np.interp(curve.step, rate.step, rate.value))
    return LossPeriod(
        tag=tag,
        steps=period.length * spacing,
        cycles=(len(value) - period.first) / period.length,
        share=period.share,
        agreement=period.agreement,
        swing=period.swing / level,
        by_rate=by_rate,
        steps_down=_steps_down(period.profile),
        smooth=period.smoothness >= max(SMOOTH, SMOOTH_TIMES_BINS / period.bins**0.5),
        first_step=int(curve.step[0]),
        last_step=int(curve.step[-1]),
    )


def _standing_out(value: NDArray[np.float64], shortest: float) -> Period | None:
    with np.errstate(over="ignore", invalid="ignore"):
        period = find_period(value, shortest)
    if period is None or not np.isfinite(period.profile).all():
        return None
    enough = period.share >= max(SMALLEST_SHARE, SHARE_TIMES_POINTS / period.points)
    return period if enough and period.agreement >= SMALLEST_AGREEMENT else None


def _steps_down(profile: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    change = np.diff(np.append(profile, profile[0]))
    after = np.roll(profile, -int(np.argmin(change)) - 1)
    if -change.min() < STEEPER * change.max():
        return False
    return float(np.corrcoef(after, np.arange(len(after)))[0, 1]) ** 2 >= RAMP_SHARE
