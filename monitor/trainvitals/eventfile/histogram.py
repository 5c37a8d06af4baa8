"""Histograms to statistics, all histograms of a batch at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.event import Histogram, Matrix
from trainvitals.model import HistogramSeries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Column = NDArray[np.float64]


# Whole numbers add up exactly in float64 as long as the sum stays well below 2**53.
_EXACT_SUM = 2.0**50


@dataclass(frozen=True, slots=True, eq=False)
class HistogramStatistics:
    """Statistics of ``M`` histograms, each ``[M]``; ``quantiles`` is ``[M, Q]`` at ``HistogramSeries.QUANTILES``.

    Count, minimum, maximum, mean and standard deviation come from the recorded moments where the encoding has them
    (HistogramProto), else from the middles of the buckets. The norm is the root of the recorded sum of squares, NaN
    where there is none. Quantiles are interpolated inside buckets. An empty histogram has NaN everywhere but a count
    of 0.
    """

    count: Column
    minimum: Column
    maximum: Column
    mean: Column
    std: Column
    norm: Column
    quantiles: Column

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> HistogramStatistics:
        """The histograms that ``index`` selects."""
        return HistogramStatistics(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[HistogramStatistics]) -> HistogramStatistics:
        """The histograms of all parts in order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def summarise(histograms: Sequence[Histogram | Matrix]) -> HistogramStatistics:
    """The statistics of each histogram."""
    moments = np.array([_moments(histogram) for histogram in histograms]).reshape(-1, 5)
    count, minimum, maximum, total, squares = moments.T
    with np.errstate(all="ignore"):
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
        norm = np.sqrt(squares)
    norm[[isinstance(histogram, Matrix) for histogram in histograms]] = np.nan
    # Some writers leave the sum of squares out; a zero one is true only where every value is zero.
    unknown = (squares == 0) & ((minimum != 0) | (maximum != 0))
    std[unknown] = norm[unknown] = np.nan
    empty = ~(count > 0)
    for column in (minimum, maximum, mean, std, norm):
        column[empty] = np.nan
    return HistogramStatistics(count, minimum, maximum, mean, std, norm, _quantiles(histograms, minimum, maximum))


def _moments(histogram: Histogram | Matrix) -> tuple[float, float, float, float, float]:
    """Count, minimum, maximum, sum, sum of squares."""
    if isinstance(histogram, Histogram):
        return histogram.number, histogram.minimum, histogram.maximum, histogram.total, histogram.sum_of_squares
    lower, upper, counts = histogram.rows[histogram.rows[:, 2] > 0].T
    if not len(counts):
        return 0.0, 0.0, 0.0, 0.0, 0.0
    middles = (lower + upper) / 2
    return counts.sum(), lower[0], upper[-1], counts @ middles, counts @ middles**2


def _buckets(histogram: Histogram | Matrix) -> tuple[float, Column, Column]:
    """The lower edge of the first bucket, the upper edges and the counts."""
    if isinstance(histogram, Matrix):
        rows = histogram.rows
        return (rows[0, 0] if len(rows) else np.nan), rows[:, 1], rows[:, 2]
    size = min(len(histogram.limits), len(histogram.counts))
    return histogram.minimum, histogram.limits[:size], histogram.counts[:size]


def _quantiles(histograms: Sequence[Histogram | Matrix], minimum: Column, maximum: Column) -> Column:
    """``[M, Q]``: one running sum over the buckets of all histograms, one search in it."""
    levels = np.array(HistogramSeries.QUANTILES)
    quantiles = np.full((len(histograms), len(levels)), np.nan)
    buckets = [_buckets(histogram) for histogram in histograms]
    sizes = np.array([len(counts) for _, _, counts in buckets], np.int64)
    present = sizes > 0
    if not present.any():
        return quantiles
    upper = np.concatenate([edges for _, edges, _ in buckets])
    counts = np.concatenate([counts for _, _, counts in buckets])
    end = np.cumsum(sizes)[present, None]
    start = end - sizes[present, None]
    if not (counts.min() >= 0 and counts.sum() < _EXACT_SUM):
        counts = _weights(counts, start[:, 0], sizes[present])
    reached = np.cumsum(counts)
    base = np.where(start > 0, reached[start - 1], 0.0)
    total = reached[end - 1] - base
    wanted = base + levels * total
    bucket = np.clip(np.searchsorted(reached, wanted), start, end - 1)
    is_first = bucket == start
    before = np.where(is_first, base, reached[bucket - 1])
    lowest = np.array([lower for lower, _, _ in buckets])[present, None]
    least, most = minimum[present, None], maximum[present, None]
    with np.errstate(all="ignore"):
        share = np.clip((wanted - before) / (reached[bucket] - before), 0.0, 1.0)
        low = np.clip(np.where(is_first, lowest, upper[bucket - 1]), least, most)
        high = np.clip(upper[bucket], least, most)
        quantiles[present] = np.where(total > 0, low + share * (high - low), np.nan)
    return quantiles


def _weights(counts: Column, start: NDArray[np.int64], sizes: NDArray[np.int64]) -> Column:
    """Counts as shares of their histogram, so that a huge one does not take the digits of those behind it.

    Counts that cannot be (negative, infinite, NaN) weigh nothing.
    """
    possible = np.where((counts > 0) & np.isfinite(counts), counts, 0.0)
    with np.errstate(all="ignore"):
        weights: Column = possible / np.repeat(np.add.reduceat(possible, start), sizes)
    return np.nan_to_num(weights)


NO_STATISTICS = summarise([])
"""The statistics of no histogram at all."""
