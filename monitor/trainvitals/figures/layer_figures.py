"""A signal of every layer, over depth and time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from trainvitals import tags
from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.colour_scale import ColourScale, colour_scale
from trainvitals.figures.finding_lanes import Span
from trainvitals.figures.layer_cells import Cells, cells, rows_of
from trainvitals.figures.line_traces import compact
from trainvitals.figures.points import Window
from trainvitals.model import Finding, LayerSeries, Severity
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible

ROW_PX, LEAST_PX, MOST_PX = 16, 180, 620
# Heatmap and profile stand side by side: with the same margins their rows are level.
MARGINS = {"l": 8, "r": 8, "t": 8, "b": 92}
LEGEND = {"yref": "container", "y": 0, "yanchor": "bottom"}
MARGINS_PX = MARGINS["t"] + MARGINS["b"]
LONGEST_LAYER = 26
# Labels of rows closer than this run into each other.
LABEL_PX = 13
# Invisible points that answer the mouse: more would slow a browser down, fewer would answer too far away.
MOST_TARGETS, FEWEST_TARGET_COLUMNS = 1500, 8
MOST_MARKS = 200
EMPTY = look.faint(look.GREY, 0.25)
"""Behind the cells: seen where nothing was recorded, and no colour of a cell."""


def heatmap_chart(
    layers: LayerSeries,
    *,
    findings: Sequence[Finding] = (),
    window: Window | None = None,
    at_step: int | None = None,
    layer: str | None = None,
    non_finite: NDArray[np.bool_] | None = None,
) -> Chart:
    """One row a layer, input side on top; one column a record. A click on it is a point whose ``customdata``
    are the layer and the step.

    Where there are more than 200 layers or 1,000 records, neighbours share a cell, which shows the one of them that is
    furthest from what is usual for it; the axis says so.

    Args:
        findings: those that name layers are framed, from where to where they hold.
        window: the first and the last step to draw, all if None.
        at_step, layer: what is looked at beside it, marked.
        non_finite: ``[T, L]`` where a NaN or an infinity was recorded.
    """
    drawn = cells(layers, window=window, non_finite=non_finite)
    figure = look.new_figure(height_px=height_px(len(drawn.first_layer)))
    if drawn.value.size == 0:
        return Chart(figure, f"{visible(layers.kind)} was not recorded in this range.")
    scale = colour_scale(layers.value)
    figure.add_trace(_heatmap(drawn, scale))
    figure.add_trace(_targets(drawn, layers))
    figure.add_traces(list(_non_finite_marks(drawn)))
    flagged = [(finding, rows) for finding in findings if (rows := _rows(finding, layers, drawn))]
    for finding, rows in flagged:
        _frame(figure, finding, rows, drawn)
    if at_step is not None:
        figure.add_vline(at_step, line={"color": look.GREY, "width": 1.5, "dash": "dot"})
    _layout(figure, layers, drawn, flagged, layer)
    return Chart(figure, _heatmap_alt(layers, drawn, scale, flagged))


def height_px(rows: int) -> int:
    """Of a chart with so many rows of layers."""
    return MARGINS_PX + int(np.clip(rows * ROW_PX, LEAST_PX, MOST_PX))


def unit_of(kind: str) -> str:
    """``grad_norm (loss / weight)``."""
    known = tags.PER_LAYER_KINDS.get(kind)
    return kind if known is None else f"{kind} ({known.unit})"


def _heatmap(drawn: Cells, scale: ColourScale) -> go.Heatmap:
    return go.Heatmap(
        z=compact(scale.position(drawn.value)),
        x=compact((drawn.first_step + drawn.last_step) / 2),
        y=np.arange(len(drawn.first_layer)),
        zmin=scale.low,
        zmax=scale.high,
        colorscale=scale.colours,
        colorbar={
            "tickvals": scale.ticks,
            "ticktext": scale.words,
            "thickness": 12,
            "outlinewidth": 0,
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _targets(drawn: Cells, layers: LayerSeries) -> go.Scatter:
    """Invisible points that say what is in their cell: plotly tells of clicks on points, not on cells."""
    count = len(drawn.first_layer), len(drawn.first_step)
    columns = np.unique(
        np.linspace(0, count[1] - 1, min(count[1], max(FEWEST_TARGET_COLUMNS, MOST_TARGETS // count[0]))).astype(int)
    )
    row, column = (each.ravel() for each in np.meshgrid(np.arange(count[0]), columns, indexing="ij"))
    value = drawn.value[row, column]
    names = [_row_name(drawn, layers.layers, index) for index in range(count[0])]
    words = [
        f"{names[r]}<br>step {wording.step(int(step))}: {'not recorded' if np.isnan(v) and not bad else _value(v, bad)}"
        for r, step, v, bad in zip(row, drawn.at_step[row, column], value, drawn.non_finite[row, column], strict=True)
    ]
    return go.Scatter(
        x=compact(((drawn.first_step + drawn.last_step) / 2)[column]),
        y=row,
        mode="markers",
        marker={"size": 12, "opacity": 0},
        text=words,
        customdata=[
            (layers.layers[int(drawn.first_layer[r])], int(step))
            for r, step in zip(row, drawn.at_step[row, column], strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _value(value: float, non_finite: int) -> str:
    said = [] if np.isnan(value) else [wording.number(float(value))]
    return ", ".join([*said, *([f"{non_finite} not finite"] if non_finite else [])])


def _non_finite_marks(drawn: Cells) -> Iterator[go.Scatter]:
    row, column = np.nonzero(drawn.non_finite)
    if len(row) == 0:
        return
    chosen = np.linspace(0, len(row) - 1, min(len(row), MOST_MARKS)).astype(int)
    yield go.Scatter(
        x=((drawn.first_step + drawn.last_step) / 2)[column[chosen]],
        y=row[chosen],
        mode="markers",
        marker={"symbol": "x", "size": 6, "color": look.VERMILION},
        name=f"NaN or infinite: {int(drawn.non_finite.sum()):,}",
        hoverinfo="skip",
    )


def _rows(finding: Finding, layers: LayerSeries, drawn: Cells) -> list[int]:
    """The rows in which a finding's layers are drawn."""
    return sorted({int(np.searchsorted(drawn.last_layer, index)) for index in rows_of(finding, layers.layers)})


def _frame(figure: go.Figure, finding: Finding, rows: list[int], drawn: Cells) -> None:
    """A frame around each block of neighbouring rows, as long as the finding holds."""
    first, last = int(drawn.first_step[0]), int(drawn.last_step[-1])
    span = Span.of(finding, last) or Span(first, first, last)
    begin, end = max(span.begin, first), min(span.end, last)
    if begin > end:
        return
    shown = look.SEVERITY_LOOK[finding.severity]
    breaks = [index for index in range(1, len(rows)) if rows[index] != rows[index - 1] + 1]
    for start, stop in zip([0, *breaks], [*breaks, len(rows)], strict=True):
        figure.add_shape(
            type="rect",
            x0=begin,
            x1=end,
            y0=rows[start] - 0.5,
            y1=rows[stop - 1] + 0.5,
            line={"color": shown.colour, "width": 2, "dash": "dot" if finding.severity is Severity.INFO else "solid"},
        )
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"symbol": "square-open", "size": 12, "color": shown.colour, "line": {"width": 2}},
        name=look.label(f"{shown.icon} {finding.name}"),
    )


def _layout(
    figure: go.Figure,
    layers: LayerSeries,
    drawn: Cells,
    flagged: Sequence[tuple[Finding, list[int]]],
    layer: str | None,
) -> None:
    rows = len(drawn.first_layer)
    worst: dict[int, str] = {}
    for finding, of_finding in reversed(flagged):
        worst |= dict.fromkeys(of_finding, look.SEVERITY_LOOK[finding.severity].icon)
    chosen = layers.layers.index(layer) if layer in layers.layers else None
    every = max(1, int(np.ceil(rows * LABEL_PX / (figure.layout.height - MARGINS_PX))))
    looked_at = None if chosen is None else int(np.searchsorted(drawn.last_layer, chosen))
    labelled = sorted({*range(0, rows, every), *([] if looked_at is None else [looked_at])})
    names = []
    for row in labelled:
        name = _row_name(drawn, layers.layers, row)
        name = f"<b>{name}</b>" if row == looked_at else name
        names.append(f"{worst[row]} {name}" if row in worst else name)
    shared = []
    if drawn.records > 1:
        shared.append(f"{drawn.records} records a column")
    if drawn.layers > 1:
        shared.append(f"{drawn.layers} layers a row")
    said = f"step · {', '.join(shared)}: each cell shows the most unusual of them" if shared else "step"
    figure.update_layout(
        hovermode="closest",
        hoverdistance=-1,
        plot_bgcolor=EMPTY,
        margin=MARGINS,
        legend=LEGEND,
    )
    half = max(0.5, float(np.median(np.diff(drawn.first_step))) / 2 if len(drawn.first_step) > 1 else 0.5)
    ends = [float(drawn.first_step[0]) - half, float(drawn.last_step[-1]) + half]
    figure.update_xaxes(title={"text": said, "standoff": 6}, tickformat=",d", showgrid=False, range=ends)
    figure.update_yaxes(range=[rows - 0.5, -0.5], tickvals=labelled, ticktext=names, showgrid=False)


def _row_name(drawn: Cells, layers: Sequence[str], row: int) -> str:
    first, last = int(drawn.first_layer[row]), int(drawn.last_layer[row])
    name = look.label(layers[first], longest=LONGEST_LAYER)
    return name if first == last else f"{name} … +{last - first}"


def _heatmap_alt(
    layers: LayerSeries, drawn: Cells, scale: ColourScale, flagged: Sequence[tuple[Finding, list[int]]]
) -> str:
    finite = drawn.value[np.isfinite(drawn.value)]
    ends = (
        f", from {wording.number(float(finite.min()))} to {wording.number(float(finite.max()))}" if len(finite) else ""
    )
    said = (
        f"{visible(layers.kind)} of {len(layers.layers)} layers over steps {wording.step(int(drawn.first_step[0]))} to "
        f"{wording.step(int(drawn.last_step[-1]))}{ends}{', in logarithmic colours' if scale.log else ''}."
    )
    bad = int(drawn.non_finite.sum())
    if bad:
        said += f" NaN or infinite: {bad:,}."
    if flagged:
        named: dict[str, Any] = {finding.name: None for finding, _ in flagged}
        said += f" Framed: {', '.join(named)}."
    return said
