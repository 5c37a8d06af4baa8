"""How a per-layer signal changes from the input to the output of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-38
"""Stands for zero in a logarithm: the smallest normal 32-bit number."""

MINIMUM_LAYERS = 3
"""With two layers there is a difference, but no profile along the depth."""

FloatTL = NDArray[np.float64]


def first_third_over_last(value: FloatTL) -> NDArray[np.float64]:
    """``[T]`` median of the first third of the layers over that of the last third; NaN where either was not recorded.

    Args:
        value: ``[T, L]`` at least three layers, input side first, NaN where not recorded; zeros count as 1e-38.

    Raises:
        ValueError: fewer than three layers.
    """
    layers = value.shape[1]
    if layers < MINIMUM_LAYERS:
        raise ValueError(f"a profile needs {MINIMUM_LAYERS} layers, not {layers}")
    third = layers // 3
    logarithm = np.log10(np.maximum(value, SMALLEST))
    with np.errstate(over="ignore"):
        return np.asarray(10.0 ** (row_medians(logarithm[:, :third]) - row_medians(logarithm[:, -third:])))


def row_medians(value: FloatTL) -> NDArray[np.float64]:
    """``[T]`` median of each row ``[T, L]`` without its NaN; NaN where nothing else is in the row."""
    some = ~np.isnan(value).all(axis=1)
    medians = np.full(len(value), np.nan)
    if bool(some.any()):
        medians[some] = np.nanmedian(value[some], axis=1)
    return medians


def growth_with_depth(level: NDArray[np.float64]) -> float:
    """Spearman's rank correlation between depth and the level of each layer ``[L]``; 0 where all levels are equal."""
    from scipy.stats import spearmanr

    known = np.flatnonzero(~np.isnan(level))
    if len(known) < MINIMUM_LAYERS or np.ptp(level[known]) == 0:
        return 0.0
    return float(spearmanr(known, level[known]).statistic)
