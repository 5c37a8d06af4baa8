"""Short upward excursions of a loss that stand apart from its own noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.comparison import comparison_scale
from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import NORMAL_MAD, Floats

# The upper tail of the noise is continued from these two quantiles to the height that it exceeds in one series of ten.
# For normal noise and a thousand points that is 5.2 standard deviations, for the exponential tail of Laplace noise 8.3.
SHOULDER_SHARE, TAIL_SHARE, FALSE_ALARMS = 0.2, 0.05, 0.1
# However light the tail: normal noise leaves 4.5 deviations once in 300,000 points.
NORMAL_EXTREME_Z = 4.5
# Upward excursions must be this many times larger than the largest downward one: noise with heavy tails on both sides
# shows in its lower half what it can do. For a tail index of 3, one maximum in nine is twice the other.
DOWNWARD_FACTOR = 2.0
# From half of the bar on lies what a heavy tail would fill first.
TAIL_FROM = 0.5
# Spikes must outnumber that stretch of the tail by this factor: noise with a tail index of 1, about the heaviest there
# is, puts as many points above a bar as between half of it and itself.
SEPARATION = 3
# Where there is more than one excursion in so many points, they are what the loss is like, for example batches of two
# kinds, and not events.
POINTS_PER_SPIKE = 25
# Points this far above the baseline do not take part in it (the z of the spike score of OLMo 2, arXiv 2501.00656), and
# with them their neighbours down to the second bound, where an excursion also begins and ends.
FLAGGED_Z, RETURN_Z = 7.0, 3.0
# The baseline's window: wide enough that a spike is a minority in it, narrow enough to follow the trend.
WINDOW_FRACTION = 0.2
SMALLEST_WINDOW, LARGEST_WINDOW = 11, 513
# A median deviation of fewer points varies by more than a quarter itself.
SMALLEST_NOISE_WINDOW = 51
MINIMUM_POINTS = 30
# A spike shifts the baseline around it; leaving flagged points out settles it after a few rounds.
ROUNDS = 4
# The local noise is not believed below this share of the whole run's: a quiet stretch is often luck.
SMALLEST_LOCAL_NOISE = 0.5
# Values are written with a limited number of digits: the standard deviation of rounding, in units of the last digit.
ROUNDING_SD = 0.29
# Excursions with at most this many points between them are one: a decay that dips below the bound.
MERGED_GAP = 2
# A spike must rise this share of its height above the median of the points right before it.
RISE_SHARE = 0.5
POINTS_BEFORE = 5
# Recovered: the median of three points is within RETURN_Z of the level before, or a tenth of the height.
RECOVERED_SHARE = 0.1
RECOVERED_POINTS = 3
# A benign spike is back within 2 % of the run, or five points.
BENIGN_FRACTION = 0.02
BENIGN_POINTS = 5

# Of a beginning of the series only what is this many standard deviations high is believed: few points do not show what
# tail the noise has. Twice the z at which the spike score of OLMo 2 counts a point.
CONFIRMED_Z = 2 * FLAGGED_Z


class Recovery(StrEnum):
    """How a spike ended."""

    BENIGN = "benign"
    """Back at its level within 2 % of the run, or five points."""
    LINGERING = "lingering"
    """Back, but later."""
    LASTING = "lasting"
    """Not back by the end, though there was time enough."""
    OPEN = "open"
    """The log ends before a benign spike could be back."""


@dataclass(frozen=True, slots=True)
class Spike:
    """One excursion.

    Args:
        first, peak, last: indices into the series.
        first_step, peak_step, last_step: the same in steps.
        baseline: level without the spike, in the unit of the series.
        height: of the peak above the baseline, in the unit of the series.
        ratio: the peak over the baseline; NaN where the series has negative values.
        z: height in standard deviations of the noise around it; infinite where there is none.
        recovery: how it ended.
    """

    first: int
    peak: int
    last: int
    first_step: int
    peak_step: int
    last_step: int
    baseline: float
    height: float
    ratio: float
    z: float
    recovery: Recovery

    @property
    def points(self) -> int:
        return self.last - self.first + 1


def find_spikes(step: NDArray[np.int64], value: Floats, *, breaks: Sequence[int] = ()) -> tuple[Spike, ...]:
    """The spikes of a loss, in order.

    The baseline is a running median from which flagged points are left out, the noise the running median absolute
    deviation around it. The bar is the height that the upper tail of this noise would exceed in one series of ten, at
    least twice the largest downward excursion, and raised until those above it far outnumber those between half of it
    and itself: a heavy tail thins out gradually, a spike stands apart. An excursion must also rise above the points
    before it, so that the steep start of a curve is none.

    Args:
        step: ``[N]`` strictly increasing.
        value: ``[N]`` finite.
        breaks: steps at which the series starts anew; the baseline does not reach across them.

    Returns:
        Nothing for a stretch between breaks with fewer than 30 points.
    """
    edges = [0, *(int(index) for index in np.searchsorted(step, sorted(breaks))), len(step)]
    found: list[Spike] = []
    for start, stop in pairwise(edges):
        found.extend(_confirmed(step[start:stop], np.asarray(value[start:stop], dtype=np.float64), start))
    return tuple(found)


def _confirmed(step: NDArray[np.int64], value: NDArray[np.float64], offset: int) -> list[Spike]:
    """The spikes of a stretch, and those that stood far apart and had come back when it had 60, 120, 240 ... points.

    What followed may be noisier and raise the bar; they stood apart all the same.
    """
    found: list[Spike] = []
    if len(value) >= MINIMUM_POINTS:
        found.extend(_in_stretch(step, value, offset))
    points = 2 * MINIMUM_POINTS
    while points < len(value):
        for spike in _in_stretch(step[:points], value[:points], offset):
            sure = spike.z >= CONFIRMED_Z and spike.recovery in (Recovery.BENIGN, Recovery.LINGERING)
            if sure and not any(spike.first <= other.last and other.first <= spike.last for other in found):
                found.append(spike)
        points *= 2
    return sorted(found, key=lambda spike: spike.first)


def _in_stretch(step: NDArray[np.int64], value: NDArray[np.float64], offset: int) -> Iterator[Spike]:
    level, logarithmic = comparison_scale(value)
    baseline, noise = _baseline_and_noise(level, _rounding_noise(value, logarithmic))
    if not bool(np.all(noise > 0)):
        return
    z = (level - baseline) / noise
    high = _stretches(z > RETURN_Z)
    excursions = [(first, last) for first, last in high if _rises(level, baseline, first, last)]
    heights = np.array([z[first : last + 1].max() for first, last in excursions])
    least = max(_noise_reaches(z, high), DOWNWARD_FACTOR * _deepest_dip(level, baseline, z))
    bar = _bar(heights, least, len(level) / POINTS_PER_SPIKE)
    free_from = 0
    for first, last in excursions:
        peak = first + int(np.argmax(z[first : last + 1]))
        if z[peak] < bar or first < free_from:
            continue
        end, recovery = _recovery(level, float(noise[peak]), first, peak)
        free_from = end + 1
        under = float(np.exp(baseline[peak]) if logarithmic else baseline[peak])
        yield Spike(
            first=offset + first,
            peak=offset + peak,
            last=offset + end,
            first_step=int(step[first]),
            peak_step=int(step[peak]),
            last_step=int(step[end]),
            baseline=under,
            height=float(value[peak]) - under,
            ratio=float(np.exp(level[peak] - baseline[peak])) if logarithmic else float("nan"),
            z=float(z[peak]),
            recovery=recovery,
        )


def _baseline_and_noise(
    level: NDArray[np.float64], rounding: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The running median and the standard deviation around it, ``[N]`` each, both without the flagged points."""
    from scipy.ndimage import median_filter

    window = _window(len(level))
    noise_window = max(2 * window + 1, SMALLEST_NOISE_WINDOW)
    index = np.arange(len(level))
    keep = np.ones(len(level), dtype=bool)
    baseline, noise = level, rounding
    for _ in range(ROUNDS):
        baseline = median_filter(np.interp(index, index[keep], level[keep]), window, mode="reflect")
        deviation = np.abs(level - baseline)
        filled = np.interp(index, index[keep], deviation[keep])
        local = NORMAL_MAD * median_filter(filled, noise_window, mode="reflect")
        # A running median follows a monotone curve exactly, noise included; differences still show that noise.
        overall = max(NORMAL_MAD * float(np.median(deviation[keep])), difference_noise_sd(level[keep]))
        noise = np.maximum(np.maximum(local, SMALLEST_LOCAL_NOISE * overall), rounding)
        flagged = _flagged(level - baseline, noise)
        if 2 * int(flagged.sum()) > len(level) or np.array_equal(keep, ~flagged):
            break
        keep = ~flagged
    return baseline, noise


def _window(points: int) -> int:
    width = int(np.clip(WINDOW_FRACTION * points, SMALLEST_WINDOW, LARGEST_WINDOW))
    return width + 1 - width % 2


def _rounding_noise(value: NDArray[np.float64], logarithmic: bool) -> NDArray[np.float64]:
    """Standard deviation of rounding at each value ``[N]``, on the comparison scale."""
    distinct = np.unique(value)
    quantum = float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0
    sd = np.full(len(value), ROUNDING_SD * quantum)
    return sd / np.maximum(np.abs(value), quantum) if logarithmic and quantum > 0 else sd


def _flagged(excess: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.bool_]:
    flagged = np.zeros(len(excess), dtype=bool)
    for first, last in _stretches(excess > RETURN_Z * noise):
        stretch = slice(first, last + 1)
        flagged[stretch] = bool(np.any(excess[stretch] > FLAGGED_Z * noise[stretch]))
    return flagged


def _stretches(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of true values, short gaps closed."""
    index = np.flatnonzero(above)
    if len(index) == 0:
        return []
    cut = np.flatnonzero(np.diff(index) > MERGED_GAP + 1)
    firsts, lasts = index[np.append(0, cut + 1)], index[np.append(cut, len(index) - 1)]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def _rises(level: NDArray[np.float64], baseline: NDArray[np.float64], first: int, last: int) -> bool:
    if first == 0:
        return False
    peak = first + int(np.argmax(level[first : last + 1] - baseline[first : last + 1]))
    before = float(np.median(level[max(0, first - POINTS_BEFORE) : first]))
    return bool(level[peak] - before >= RISE_SHARE * (level[peak] - baseline[peak]))


def _deepest_dip(level: NDArray[np.float64], baseline: NDArray[np.float64], z: NDArray[np.float64]) -> float:
    """The largest downward excursion that comes from above and goes back, in standard deviations.

    What only comes from above is a bend of the curve that the baseline was too stiff for, such as its steep start.
    """
    upside_down, floor, backwards = -level, -baseline, slice(None, None, -1)
    deepest = 0.0
    for first, last in _stretches(z < -RETURN_Z):
        mirrored = len(level) - 1 - last, len(level) - 1 - first
        falls = _rises(upside_down, floor, first, last)
        if falls and _rises(upside_down[backwards], floor[backwards], *mirrored):
            deepest = max(deepest, float(-z[first : last + 1].min()))
    return deepest


def _noise_reaches(z: NDArray[np.float64], high: list[tuple[int, int]]) -> float:
    """The height that noise exceeds in one series of ten of this length, if its upper tail is exponential.

    Neighbours in one excursion are one event, so each counts with its peak only, as is usual for extremes.
    """
    single = np.ones(len(z), dtype=bool)
    for first, last in high:
        single[first : last + 1] = False
        single[first + int(np.argmax(z[first : last + 1]))] = True
    shoulder, tail = np.quantile(z[single], (1 - SHOULDER_SHARE, 1 - TAIL_SHARE))
    decay = float(tail - shoulder) / np.log(SHOULDER_SHARE / TAIL_SHARE)
    return float(max(NORMAL_EXTREME_Z, tail + decay * np.log(TAIL_SHARE * len(z) / FALSE_ALARMS)))


def _bar(heights: NDArray[np.float64], least: float, most_spikes: float) -> float:
    """From which height an excursion is a spike; infinite where none stands apart from the tail."""
    for bar in [least, *np.sort(heights[heights > least])]:
        spikes = int(np.sum(heights >= bar))
        tail = int(np.sum((heights < bar) & (heights >= max(TAIL_FROM * bar, NORMAL_EXTREME_Z))))
        if SEPARATION * tail < spikes <= most_spikes:
            return float(bar)
    return float("inf")


def _recovery(level: NDArray[np.float64], noise: float, first: int, peak: int) -> tuple[int, Recovery]:
    """The last index of a spike, and how it ended."""
    before = float(np.median(level[max(0, first - 3 * POINTS_BEFORE) : first]))
    bound = before + max(RETURN_Z * noise, RECOVERED_SHARE * (float(level[peak]) - before))
    after = level[peak + 1 :]
    benign_points = max(BENIGN_POINTS, round(BENIGN_FRACTION * len(level)))
    if len(after) == 0:
        return peak, Recovery.OPEN
    windows = np.lib.stride_tricks.sliding_window_view(after, min(RECOVERED_POINTS, len(after)))
    back = np.flatnonzero(np.median(windows, axis=1) <= bound)
    if len(back) == 0:
        return len(level) - 1, Recovery.LASTING if len(level) - first > benign_points else Recovery.OPEN
    still_high = np.flatnonzero(after[: int(back[0]) + RECOVERED_POINTS] > bound)
    end = peak + 1 + int(still_high[-1]) if len(still_high) else peak
    return end, Recovery.BENIGN if end - first + 1 <= benign_points else Recovery.LINGERING
