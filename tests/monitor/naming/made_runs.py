"""Runs with given tags and plausible values, for tests of what tags mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainvitals.model import HistogramSeries, Run, Series


def series(tag: str, value: ArrayLike, step: ArrayLike | None = None) -> Series:
    """A series; steps count from 0 unless given."""
    values = np.asarray(value, dtype=np.float64)
    steps = np.arange(len(values)) if step is None else np.asarray(step)
    return Series(tag, steps.astype(np.int64), np.full(len(values), np.nan), values)


def histogram(tag: str, norm: ArrayLike) -> HistogramSeries:
    """A histogram series whose norm is given; its mean is a tenth, its std half, its extremes -2 and 1 times that."""
    norms = np.asarray(norm, dtype=np.float64)
    length = len(norms)
    return HistogramSeries(
        tag=tag,
        step=np.arange(length, dtype=np.int64),
        wall_time=np.full(length, np.nan),
        count=np.full(length, 10.0),
        minimum=-2 * norms,
        maximum=norms,
        mean=norms / 10,
        std=norms / 2,
        norm=norms,
        quantiles=np.zeros((length, len(HistogramSeries.QUANTILES))),
    )


def run_of(scalars: Iterable[Series] | Mapping[str, Any], histograms: Iterable[HistogramSeries] = ()) -> Run:
    """A run with these series, in this order."""
    if isinstance(scalars, Mapping):
        scalars = [series(tag, value) for tag, value in scalars.items()]
    return Run(
        id="made",
        path="made",
        name="made",
        format="made",
        series={item.tag: item for item in scalars},
        histograms={item.tag: item for item in histograms},
    )


def falling(points: int = 50) -> NDArray[np.float64]:
    """A loss that falls from 2 to 0.5."""
    return np.asarray(np.geomspace(2.0, 0.5, points))


def schedule(points: int = 50) -> NDArray[np.float64]:
    """A learning rate: a short rise to 1e-3, then a fall."""
    rise = max(1, points // 10)
    return 1e-3 * np.concatenate([np.linspace(0.1, 1.0, rise), np.linspace(1.0, 0.0, points - rise)])


def counter(points: int = 50) -> NDArray[np.float64]:
    """Something counted."""
    return np.arange(points, dtype=np.float64) * 10


def level(points: int = 50) -> NDArray[np.float64]:
    """Something that stays about the same."""
    return np.asarray(5.0 + np.sin(np.arange(points) * 1.7))
