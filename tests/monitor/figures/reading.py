"""What a chart shows, read out of its figure."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainvitals.figures.chart import Chart


def trace(chart: Chart, name: str) -> Any:
    """The one trace of this name."""
    (found,) = [each for each in chart.figure.data if each.name == name]
    return found


def names(chart: Chart) -> list[str]:
    """Of all traces, in order."""
    return [each.name for each in chart.figure.data]


def notes(chart: Chart) -> list[str]:
    """The texts written into the chart."""
    return [each.text for each in chart.figure.layout.annotations]


def spans(chart: Chart) -> list[tuple[float, float]]:
    """From where to where the bars above the curves go, the lowest first."""
    bars = [each for each in chart.figure.data if each.type == "bar"]
    return [(float(bar.base[0]), float(bar.base[0] + bar.x[0])) for bar in bars]


def bands(chart: Chart) -> list[tuple[float, float]]:
    """From where to where the bands behind the curves go."""
    return [(float(each.x0), float(each.x1)) for each in chart.figure.layout.shapes if each.type == "rect"]


def points(found: Any) -> list[tuple[float, float]]:
    """The points of a trace, its gaps left out."""
    x, y = np.asarray(found.x, dtype=float), np.asarray(found.y, dtype=float)
    return [(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True) if not np.isnan(b)]
