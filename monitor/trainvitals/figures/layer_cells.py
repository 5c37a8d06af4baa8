"""A per-layer signal as a few cells: what is not typical is kept, however many records share a cell."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.figures.points import Window
from trainvitals.model import Finding, LayerSeries, Run
from trainvitals.signals import LayerTags

MOST_ROWS, MOST_COLUMNS = 200, 1000
# Many rows leave each fewer columns: no screen has that many pixels, and a third of a megabyte is sent at most.
MOST_CELLS = 60_000
# Over fewer powers of ten, a linear scale shows as much and is easier to read.
FEWEST_DECADES = 1.5
# A zero is further away than anything else: as far as a millionth of the least positive value.
ZERO_SHARE = 1e-6
# Of so many values the quantiles are known well enough.
ENOUGH_TO_TELL = 50_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A heatmap of at most ``MOST_ROWS`` by ``MOST_COLUMNS``, and no more than ``MOST_CELLS``.

    Args:
        first_layer, last_layer: ``[R]`` which layers share a row.
        first_step, last_step: ``[C]`` which steps share a column.
        value: ``[R, C]`` of the records in a cell, the one furthest from what is usual in its row; NaN where nothing
            finite was recorded.
        at_step: ``[R, C]`` the step of that record.
        non_finite: ``[R, C]`` how many NaN or infinite values were recorded.
        records: the most that share a cell, and layers: the most that share a row.
    """

    first_layer: NDArray[np.int64]
    last_layer: NDArray[np.int64]
    first_step: NDArray[np.int64]
    last_step: NDArray[np.int64]
    value: Floats
    at_step: NDArray[np.int64]
    non_finite: NDArray[np.int64]
    records: int
    layers: int


def spans_decades(value: Floats) -> bool:
    """Whether a signal that is never negative ranges over powers of ten, so that its logarithm shows more."""
    finite = value[np.isfinite(value)]
    positive = finite[finite > 0]
    if len(positive) == 0 or bool(np.any(finite < 0)):
        return False
    low, high = np.quantile(positive[:: 1 + len(positive) // ENOUGH_TO_TELL], [0.01, 0.99])
    return bool(np.log10(high) - np.log10(low) >= FEWEST_DECADES)


def cells(layers: LayerSeries, *, window: Window | None = None, non_finite: NDArray[np.bool_] | None = None) -> Cells:
    """The cells of a signal.

    Neighbouring records share a column where there are too many, and neighbouring layers a row.

    Args:
        window: only the steps between these two.
        non_finite: ``[T, L]`` where a NaN or an infinity was recorded; the infinities if None.
    """
    bad = np.isinf(layers.value) if non_finite is None else non_finite
    inside = slice(None)
    if window is not None:
        inside = slice(*np.searchsorted(layers.step, [min(window), np.nextafter(max(window), np.inf)]).tolist())
    step, value, bad = layers.step[inside], layers.value[inside], bad[inside]
    unusual = _unusual(layers.value)[inside]
    rows = _groups(value.shape[1], MOST_ROWS)
    columns = _groups(len(step), min(MOST_COLUMNS, MOST_CELLS // max(1, len(rows) - 1)))
    when = _most(unusual, columns)
    of_column = np.take_along_axis(unusual, when, axis=0)
    which = _most(of_column.T, rows)
    chosen = np.take_along_axis(when.T, which, axis=0)
    layer = which
    picked = np.where(unusual[chosen, layer] >= 0, value[chosen, layer], np.nan)
    return Cells(
        first_layer=rows[:-1],
        last_layer=rows[1:] - 1,
        first_step=step[columns[:-1]],
        last_step=step[columns[1:] - 1],
        value=picked,
        at_step=step[chosen],
        non_finite=_counted(_counted(bad.astype(np.int64), columns).T, rows),
        records=int(np.diff(columns).max(initial=0)),
        layers=int(np.diff(rows).max(initial=0)),
    )


def non_finite_records(run: Run, tags: LayerTags, layers: LayerSeries) -> NDArray[np.bool_]:
    """``[T, L]`` where a NaN or an infinity was recorded, which is more than that nothing was."""
    bad = np.zeros(layers.value.shape, dtype=bool)
    for column, tag in enumerate(tags.tags):
        series = run.series[tag].latest() if tag in run.series else None
        if series is not None:
            steps = series.step[~np.isfinite(series.value)]
            bad[np.searchsorted(layers.step, steps), column] = True
    return bad


def rows_of(finding: Finding, layers: Sequence[str]) -> list[int]:
    """Which layers a finding names: by the name itself, by that of the module they are in, or of their parameter."""
    named = set(finding.layers)
    modules = {name.rpartition(".")[0] for name in finding.layers} - {""}
    inside = tuple(f"{name}." for name in finding.layers)
    exact = [row for row, layer in enumerate(layers) if layer in named]
    return exact or [row for row, layer in enumerate(layers) if layer in modules or layer.startswith(inside)]


def _unusual(value: Floats) -> Floats:
    """How far each value is from the middle of its layer, in decades where it ranges over them; -1 if not finite."""
    finite = np.isfinite(value)
    scaled = value
    if spans_decades(value):
        smallest = max(float(np.min(value[finite & (value > 0)])) * ZERO_SHARE, float(np.finfo(np.float64).tiny))
        scaled = np.log10(np.maximum(value, smallest, where=finite, out=np.full(value.shape, np.nan)))
    scaled = np.where(finite, scaled, np.nan)
    middle = [
        np.median(column[~np.isnan(column)]) if column.size and not np.isnan(column).all() else 0.0
        for column in scaled.T
    ]
    return np.where(finite, np.abs(scaled - middle), -1.0)


def _most(unusual: Floats, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """``[G, N]`` for each group of rows of ``[M, N]``, the row in which each column is largest."""
    if len(edges) - 1 == len(unusual):
        return np.broadcast_to(np.arange(len(unusual))[:, None], unusual.shape)
    largest = [begin + unusual[begin:end].argmax(axis=0) for begin, end in itertools.pairwise(edges)]
    return np.array(largest, dtype=np.int64).reshape(len(edges) - 1, unusual.shape[1])


def _counted(count: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """``[G, N]`` the sums over groups of rows of ``[M, N]``."""
    return np.add.reduceat(count, edges[:-1], axis=0) if len(edges) > 1 else np.zeros((0, count.shape[1]), np.int64)


def _groups(count: int, most: int) -> NDArray[np.int64]:
    """The edges of at most ``most`` groups of neighbours, about equally large."""
    return np.linspace(0, count, min(count, most) + 1).astype(np.int64) if count else np.zeros(1, np.int64)
