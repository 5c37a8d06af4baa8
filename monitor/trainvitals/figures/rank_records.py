"""What each process of a training told, side by side, as it is drawn: at every step at which any of them told it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import LayerSeries, Run

Floats = NDArray[np.float64]


def of_ranks(run: Run, tag: str) -> LayerSeries | None:
    """One quantity of each process as ``[T, R]``, NaN where a process did not tell it; None below two of them."""
    group, _, name = tag.partition("/")
    pattern = re.compile(rf"{re.escape(group)}/rank(\d+)/{re.escape(name)}")
    ranks = sorted(int(found[1]) for each in run.series if (found := pattern.fullmatch(each)))
    each_rank = [run.series[tags.of_rank(tag, rank)].latest() for rank in ranks]
    if len(ranks) < 2 or not any(len(series) for series in each_rank):
        return None
    step = np.unique(np.concatenate([series.step for series in each_rank]))
    value = np.full((len(step), len(ranks)), np.nan)
    for column, series in enumerate(each_rank):
        value[np.searchsorted(step, series.step), column] = series.value
    return LayerSeries(tag, tuple(f"rank {rank}" for rank in ranks), step, value)


def over_median(ranks: LayerSeries) -> LayerSeries:
    """By how many percent each process is above the median of all, at the steps at which two told it or more."""
    enough = np.isfinite(ranks.value).sum(axis=1) >= 2
    value = np.where(np.isfinite(ranks.value[enough]), ranks.value[enough], np.nan)
    middle = np.nanmedian(value, axis=1, keepdims=True) if len(value) else value[:, :1]
    middle = np.where(middle > 0, middle, np.nan)
    return LayerSeries(ranks.kind, ranks.layers, ranks.step[enough], 100.0 * (value / middle - 1.0))


def apart(ranks: LayerSeries) -> NDArray[np.bool_]:
    """``[T, R]`` which processes hold another value than most of them; of as many, the lowest rank counts as right."""
    differs = np.zeros(ranks.value.shape, dtype=bool)
    for row, values in enumerate(ranks.value):
        told = values[~np.isnan(values)]
        if len(told) and bool(np.any(told != told[0])):
            found, first, count = np.unique(told, return_index=True, return_counts=True)
            usual = found[np.lexsort((first, -count))[0]]
            differs[row] = (values != usual) & ~np.isnan(values)
    return differs
