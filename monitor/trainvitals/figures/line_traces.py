"""Lines of a chart: a curve, the points of it that nothing joins, and at the edge those that are not finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.points import Drawn, NonFiniteMarks

# So few points are marked one by one.
FEW_POINTS = 60
MARKER_SIZE_PX = 5
EDGE_SIZE_PX = 9
# Numbers of 32 bits have seven digits; so far from zero, in widths of what is drawn, five of them are left for it.
FARTHEST_WIDTHS = 100.0
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
AT_TOP, AT_BOTTOM = 0.97, 0.03

EDGE_AXIS = {"range": [0, 1], "visible": False, "fixedrange": True, "overlaying": "y"}
"""The layout of the value axis on which ``edge_traces`` stand: over the first one, from its lower to its upper edge."""


def line_trace(
    line: Drawn, *, name: str, colour: str, dash: str = "solid", mark_few: bool = True, **more: object
) -> go.Scatter:
    """One curve. Its name must be safe for plotly already.

    Args:
        mark_few: whether each point is marked where they are few; what nothing joins is marked in any case.
        more: what else plotly's scatter takes.
    """
    trace: dict[str, Any] = {
        "x": compact(line.x),
        "y": compact(line.y),
        "name": name,
        "mode": "lines",
        "line": {"color": colour, "width": look.LINE_WIDTH, "dash": dash},
        "hovertemplate": "%{y:.5g}",
        **more,
    }
    if mark_few and len(line.finite) <= FEW_POINTS:
        trace |= {"mode": "lines+markers", "marker": {"size": MARKER_SIZE_PX, "color": colour}}
    elif line.alone.any():
        sizes = np.where(line.alone, MARKER_SIZE_PX - 1, 0).astype(np.int8)
        trace |= {"mode": "lines+markers", "marker": {"size": sizes, "color": colour, "line": {"width": 0}}}
    return go.Scatter(trace)


def edge_traces(line: Drawn, *, name: str, colour: str, axis: str, log: bool = False) -> Iterator[go.Scatter]:
    """Marks for what a curve has no height for: NaN and infinities, and what a logarithmic axis cannot show.

    Args:
        axis: of the values, as ``EDGE_AXIS``.
        log: whether ``line`` holds values that are not positive as minus infinity.
    """
    not_shown = "zero or negative" if log else "-infinite"
    for marks, word, symbol, height in (
        (line.nan, "NaN", "x", AT_TOP),
        (line.above, "infinite", "triangle-up", AT_TOP),
        (line.below, not_shown, "triangle-down", AT_BOTTOM),
    ):
        if marks.total:
            yield _edge_trace(marks, f"{name}: {marks.total:,} {word}", word, symbol, height, colour, axis)


def _edge_trace(
    marks: NonFiniteMarks, name: str, word: str, symbol: str, height: float, colour: str, axis: str
) -> go.Scatter:
    return go.Scatter(
        x=compact(marks.x),
        y=np.full(len(marks.x), height, dtype=np.float32),
        yaxis=axis,
        name=name,
        mode="markers",
        marker={"symbol": symbol, "size": EDGE_SIZE_PX, "color": colour, "line": {"width": 1, "color": look.GREY}},
        customdata=marks.count,
        hovertemplate=f"%{{customdata}} {word}",
    )


def positive_only(value: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The values ``[T]`` with minus infinity for each that a logarithmic axis cannot show."""
    wide = np.asarray(value, dtype=np.float64)
    return np.where(wide <= 0, -np.inf, wide)


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in half the bytes where nothing is lost that a picture of them could show."""
    finite = values[np.isfinite(values)]
    size = float(np.max(np.abs(finite), initial=0.0))
    if len(finite) == len(values) and size < np.iinfo(np.int32).max and bool(np.all(finite == np.rint(finite))):
        return values.astype(np.int32)
    smallest = float(np.min(np.abs(finite[finite != 0]), initial=1.0))
    fits = size < LARGEST and smallest > SMALLEST
    # Times of day are large numbers that differ in their last digits.
    width = float(np.max(finite, initial=-np.inf)) - float(np.min(finite, initial=np.inf))
    return values.astype(np.float32) if fits and size <= FARTHEST_WIDTHS * width else values
