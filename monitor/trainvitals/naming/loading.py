"""A per-layer signal as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import HistogramSeries, Run, Series, StepArray


def load_layers(
    run: Run, kind: str, tags: Sequence[str], source: Literal["scalars", "histograms"]
) -> tuple[StepArray, NDArray[np.float64]]:
    """Steps ``[T]``, the union over all layers, and values ``[T, L]``, NaN where a layer was not recorded.

    Where steps repeat or go back, what was recorded last wins.
    """
    curves = [
        run.series[tag].latest() if source == "scalars" else _statistic(run.histograms[tag], kind).latest()
        for tag in tags
    ]
    distinct: list[StepArray] = []
    for curve in curves:
        if not distinct or not np.array_equal(distinct[-1], curve.step):
            distinct.append(curve.step)
    if not distinct:
        return np.zeros(0, np.int64), np.zeros((0, 0))
    step = distinct[0] if len(distinct) == 1 else np.unique(np.concatenate(distinct))
    value = np.full((len(curves), len(step)), np.nan)
    for row, curve in zip(value, curves, strict=True):
        if len(curve) == len(step):
            row[:] = curve.value
        else:
            row[np.searchsorted(step, curve.step)] = curve.value
    return step, np.ascontiguousarray(value.T)


def _statistic(histogram: HistogramSeries, kind: str) -> Series:
    value = {
        "activation_mean": histogram.mean,
        "activation_std": histogram.std,
        "activation_abs_max": np.maximum(np.abs(histogram.minimum), np.abs(histogram.maximum)),
    }.get(kind, histogram.norm)
    return Series(histogram.tag, histogram.step, histogram.wall_time, value)
