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


def _edges(histogram: Histogram | Matrix) -> tuple[Column, Column, Column]:
    """Lower edges, upper edges and counts of the buckets."""
    if isinstance(histogram, Matrix):
        return histogram.rows[:, 0], histogram.rows[:, 1], histogram.rows[:, 2]
    size = min(len(histogram.limits), len(histogram.counts))
    limits = histogram.limits[:size]
    return np.concatenate(([histogram.minimum], limits[:-1]))[:size], limits, histogram.counts[:size]


def _quantiles(histograms: Sequence[Histogram | Matrix], minimum: Column, maximum: Column) -> Column:
    """``[M, Q]``: one running sum over the buckets of all histograms, one search in it."""
    levels = np.array(HistogramSeries.QUANTILES)
    quantiles = np.full((len(histograms), len(levels)), np.nan)
    edges = [_edges(histogram) for histogram in histograms]
    present = np.flatnonzero([len(counts) > 0 for _, _, counts in edges])
    if not len(present):
        return quantiles
    lower, upper, counts = (np.concatenate([edges[i][part] for i in present]) for part in range(3))
    counts = np.where((counts > 0) & np.isfinite(counts), counts, 0.0)
    sizes = np.array([len(edges[i][2]) for i in present])
    end = np.cumsum(sizes)
    start = end - sizes
    totals = np.add.reduceat(counts, start)
    # Each histogram weighs one, so that a huge one does not take the digits of those behind it.
    with np.errstate(all="ignore"):
        weights = np.nan_to_num(counts / np.repeat(totals, sizes))
    reached = np.concatenate(([0.0], np.cumsum(weights)))
    base, top = reached[start][:, None], reached[end][:, None]
    target = base + levels * (top - base)
    bucket = np.clip(np.searchsorted(reached[1:], target), start[:, None], end[:, None] - 1)
    with np.errstate(all="ignore"):
        share = np.clip(np.nan_to_num((target - reached[bucket]) / weights[bucket]), 0.0, 1.0)
        least, most = minimum[present, None], maximum[present, None]
        low, high = np.clip(lower[bucket], least, most), np.clip(upper[bucket], least, most)
        found = low + share * (high - low)
    found[totals <= 0] = np.nan
    quantiles[present] = found
    return quantiles
