"""Does a series swing with a fixed period, in phase from the first to the last third?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.robust import Floats, running_median

MOST_POINTS = 2000
"""Longer series are averaged down to so many points: shorter periods than four of those are not looked for."""

FEWEST_POINTS, FEWEST_OF_SHORT_CYCLES = 60, 50
"""The second where a cycle takes less than four points, so that there are many of them."""

SKIPPED_SHARE = 0.05
"""Of the series: the steep beginning of a loss, which no trend follows."""

TREND_WINDOW_SHARE = 1 / 3
TREND_POINTS = 200
"""The trend is a running median over a third of the series, of so many medians at most."""

FEWEST_CYCLES = 6
"""Two in each third of the series: what happened fewer times is no period."""

SHORTEST_PERIOD = 4.0
HARMONICS = 8
"""The strongest line may be a harmonic of the period: a saw-tooth with several teeth a cycle."""

TRIALS = 41
CLEARLY_BETTER = 0.02
"""Of the variance: what a longer period must explain beyond a shorter one, because it has more freedom."""

SHORTEST_SAMPLED_PERIOD = 2.05
"""What is left of a cycle where a log takes only some of the steps: just above two points, which is the shortest that
shows in any series and is what an alternation has."""

MOST_BINS, FEWEST_BINS = 24, 4
FINE_BINS, POINTS_A_FINE_BIN = 96, 6
FINE_BINS_OF_SAMPLED = 20
"""Bins for what is left of a cycle, of three points each at least: of fewer not even neighbours in a sine are alike."""


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """The period that explains most.

    Args:
        length: in points of the series.
        points: that were looked at, after averaging.
        share: of the variance of the ranks around the trend that the phase explains, less what chance would.
        agreement: the lowest correlation between the profiles of the three thirds.
        profile: ``[B]`` mean of the series around its trend at each phase, in its own unit.
        smoothness: correlation of each place of the cycle with the next, in finer bins; bins: how many these are.
        first: index of the first point that was looked at.
    """

    length: float
    points: int
    share: float
    agreement: float
    profile: NDArray[np.float64]
    smoothness: float
    bins: int
    first: int

    @property
    def swing(self) -> float:
        """From the lowest to the highest phase, in the unit of the series."""
        return float(self.profile.max() - self.profile.min())

    def explains(self, value: Floats) -> float:
        """The share of the variance of another series at the same points that this period explains."""
        data, block, _ = _averaged(value)
        return _explained(_ranks(data), self.length / block, len(self.profile))


def find_period(value: Floats, shortest: float = SHORTEST_PERIOD) -> Period | None:
    """The period of ``[N]`` finite values, good or bad, of ``shortest`` points or more; None where they are too few."""
    data, block, first = _averaged(value)
    if len(data) < FEWEST_OF_SHORT_CYCLES:
        return None
    around = data - _trend(data)
    ranks = _ranks(around)
    length = _best_length(ranks, shortest)
    if length is None or (length >= SHORTEST_PERIOD and len(data) < FEWEST_POINTS):
        return None
    bins = _bins(length)
    thirds = [_profile(ranks, part, length, bins) for part in np.array_split(np.arange(len(ranks)), 3)]
    fine = _fine_profile(ranks, length)
    agreement = min(_correlation(thirds[one], thirds[other]) for one, other in ((0, 1), (1, 2), (0, 2)))
    return Period(
        length=length * block,
        points=len(data),
        share=_explained(ranks, length, bins),
        agreement=agreement,
        profile=_profile(around, np.arange(len(around)), length, bins),
        smoothness=_correlation(fine, np.roll(fine, 1)),
        bins=len(fine),
        first=first,
    )


def _averaged(value: Floats) -> tuple[NDArray[np.float64], int, int]:
    """The values without the beginning, averaged over blocks; the length of a block, and the index of the first."""
    late = np.asarray(value[int(SKIPPED_SHARE * len(value)) :], dtype=np.float64)
    block = max(1, -(-len(late) // MOST_POINTS))
    points = len(late) // block
    kept = late[len(late) - points * block :]
    return kept.reshape(points, block).mean(axis=1), block, len(value) - points * block


def _trend(data: NDArray[np.float64]) -> NDArray[np.float64]:
    group = max(1, len(data) // TREND_POINTS)
    groups = len(data) // group
    medians = np.median(data[: groups * group].reshape(groups, group), axis=1)
    smooth = running_median(medians, max(3, int(TREND_WINDOW_SHARE * groups) | 1))
    return np.interp(np.arange(len(data)), (np.arange(groups) + 0.5) * group - 0.5, smooth)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks around zero: a few wild values weigh no more than others. Equal values share one rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2.0
    ranks = middle[inverse]
    return np.asarray(ranks - ranks.mean())


def _best_length(ranks: NDArray[np.float64], shortest: float) -> float | None:
    points = len(ranks)
    size = 8 << (points - 1).bit_length()
    power = np.abs(np.fft.rfft(ranks, size)) ** 2
    low, high = -(-FEWEST_CYCLES * size // points), int(size / shortest)
    if high <= low or not power[low:high].any():
        return None
    strongest = size / (low + int(np.argmax(power[low:high])))
    best, best_share = None, -np.inf
    for harmonic in range(1, HARMONICS + 1):
        middle = harmonic * strongest
        if middle > points / FEWEST_CYCLES:
            break
        # A cycle more or less over the whole series, at the frequency of the line, bounds what the period can be.
        for length in middle * (1 + np.linspace(-1, 1, TRIALS) * strongest / points):
            share = _explained(ranks, float(length), _bins(float(length)))
            if share > best_share + (CLEARLY_BETTER if harmonic > 1 else 0.0):
                best, best_share = float(length), share
    if best is None:
        return None
    whole = float(round(best))
    alike = whole >= shortest and _explained(ranks, whole, _bins(whole)) > best_share - CLEARLY_BETTER
    return whole if alike else best


def _bins(length: float) -> int:
    return int(np.clip(length, FEWEST_BINS, MOST_BINS))


def _profile(values: NDArray[np.float64], part: NDArray[np.int64], length: float, bins: int) -> NDArray[np.float64]:
    """``[B]`` mean of the values of a part at each phase; 0 where there is none."""
    phase = np.minimum((part / length % 1.0 * bins).astype(np.int64), bins - 1)
    count = np.bincount(phase, minlength=bins)
    return np.asarray(np.bincount(phase, values[part], minlength=bins) / np.maximum(count, 1))


def _fine_profile(ranks: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """A bin for each point of a cycle of so many points; of others, whose points fall between, as many as they fill."""
    filled = length if length.is_integer() else len(ranks) / POINTS_A_FINE_BIN
    if length < SHORTEST_PERIOD:
        filled = max(filled, min(2 * len(ranks) / POINTS_A_FINE_BIN, FINE_BINS_OF_SAMPLED))
    return _profile(ranks, np.arange(len(ranks)), length, int(np.clip(filled, FEWEST_BINS, FINE_BINS)))


def _explained(ranks: NDArray[np.float64], length: float, bins: int) -> float:
    """The adjusted share of the variance between the phases."""
    everything = np.arange(len(ranks))
    phase = np.minimum((everything / length % 1.0 * bins).astype(np.int64), bins - 1)
    count = np.bincount(phase, minlength=bins)
    between = float((np.bincount(phase, ranks, minlength=bins) ** 2 / np.maximum(count, 1)).sum())
    whole = float(ranks @ ranks)
    return 1 - (1 - between / whole) * (len(ranks) - 1) / (len(ranks) - bins) if whole > 0 else 0.0


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0 else 0.0
