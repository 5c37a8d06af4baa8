"""Statistics that a few wild values cannot move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

# Turns a median absolute deviation into the standard deviation of a normal distribution: 1 / Phi^-1(3/4).
NORMAL_MAD = 1.4826022185056018


def mad_scale(values: Floats) -> float:
    """Standard deviation estimated from the median absolute deviation; NaN for an empty ``[N]``."""
    if len(values) == 0:
        return float("nan")
    return float(NORMAL_MAD * np.median(np.abs(values - np.median(values))))


def running_median(values: Floats, width: int) -> NDArray[np.float64]:
    """Median of the ``width`` values around each one ``[N]``; at the ends of those that there are.

    Args:
        width: odd and at least 1; cut to the length of the series.

    Raises:
        ValueError: ``width`` is even or below 1.
    """
    if width < 1 or width % 2 == 0:
        raise ValueError(f"width must be odd and at least 1, not {width}")
    if len(values) == 0:
        return np.empty(0)
    half = min(width // 2, len(values) - 1)
    padded = np.pad(np.asarray(values, dtype=np.float64), half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.asarray(np.nanmedian(windows, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A series cut into runs of neighbouring points, each replaced by its mean.

    Args:
        time: ``[M]`` mean time of each block.
        value: ``[M]`` mean value, or median of means where the block has a spike.
        count: ``[M]`` points in each block.
        start: ``[M]`` index of the first point of each block.
    """

    time: NDArray[np.float64]
    value: NDArray[np.float64]
    count: NDArray[np.int64]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.value)


# A block whose mean and median of means differ by more than this many standard errors has a spike in it.
SPIKE_Z = 6.0
MEANS_PER_BLOCK = 5


def block_means(time: Floats, value: Floats, blocks: int) -> Blocks:
    """At most ``blocks`` equally filled blocks of ``[N]`` points, robust against spikes.

    A block with at least 15 points whose mean lies far from the median of its five sub-means takes that median
    (Lugosi and Mendelson 2019, "Mean estimation and regression under heavy-tailed distributions", section 2.1).

    Raises:
        ValueError: ``blocks`` is below 1.
    """
    if blocks < 1:
        raise ValueError(f"at least one block is needed, not {blocks}")
    points = len(value)
    edges = np.linspace(0, points, min(blocks, points) + 1).round().astype(np.int64)
    start, count = edges[:-1], np.diff(edges)
    if points == 0:
        return Blocks(np.empty(0), np.empty(0), count, start)
    data = np.asarray(value, dtype=np.float64)
    mean = _segment_means(data, start, count)
    if int(count.min()) >= 3 * MEANS_PER_BLOCK:
        mean = _without_spikes(data, start, count, mean)
    return Blocks(_segment_means(np.asarray(time, dtype=np.float64), start, count), mean, count, start)


def _segment_means(
    data: NDArray[np.float64], start: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.asarray(np.add.reduceat(data, start) / count)


def _without_spikes(
    data: NDArray[np.float64], start: NDArray[np.int64], count: NDArray[np.int64], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    fractions = np.arange(MEANS_PER_BLOCK) / MEANS_PER_BLOCK
    inner = (start[:, None] + (count[:, None] * fractions).astype(np.int64)).ravel()
    inner_count = np.diff(np.append(inner, len(data)))
    parts = _segment_means(data, inner, inner_count).reshape(len(start), MEANS_PER_BLOCK)
    centre = np.median(parts, axis=1)
    spread = NORMAL_MAD * np.median(np.abs(parts - centre[:, None]), axis=1) / np.sqrt(MEANS_PER_BLOCK)
    spiked = np.abs(mean - centre) > SPIKE_Z * np.maximum(spread, np.median(spread))
    return np.where(spiked, centre, mean)
