"""One layer over time: its signal among those of all layers, and how its values are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.finding_bands import add_band
from trainvitals.figures.layer_cells import rows_of, spans_decades
from trainvitals.figures.layer_figures import unit_of
from trainvitals.figures.line_traces import EDGE_AXIS, compact, edge_traces, line_trace, positive_only
from trainvitals.figures.points import MOST_POINTS, Window, drawn
from trainvitals.figures.value_range import value_range
from trainvitals.model import Finding, HistogramSeries, LayerSeries
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible

HEIGHT_PX = 260
# Of the quantiles: the outer band is lighter than the inner one.
OUTER_OPACITY, INNER_OPACITY = 0.15, 0.3

Floats = NDArray[np.float64]


def layer_history_chart(
    layers: LayerSeries,
    layer: str,
    *,
    findings: Sequence[Finding] = (),
    window: Window | None = None,
    at_step: int | None = None,
    non_finite: NDArray[np.bool_] | None = None,
) -> Chart:
    """The signal of one layer over the steps at which it was recorded, before the median of all layers.

    Args:
        layer: one of ``layers.layers``.
        findings: of those that name it, where they hold is a band.
        window: the first and the last step to draw, all if None.
        at_step: marked.
        non_finite: ``[T, L]`` where a NaN or an infinity was recorded.
    """
    column = layers.layers.index(layer)
    bad = np.isinf(layers.value[:, column]) if non_finite is None else non_finite[:, column]
    value = layers.value[:, column]
    recorded = ~np.isnan(value) | bad
    log = spans_decades(layers.value)
    figure = look.new_figure(height_px=HEIGHT_PX)
    for finding in findings:
        if column in rows_of(finding, layers.layers):
            add_band(figure, finding, int(layers.step[-1]))
    of_all = _middle_of_all(layers)
    some = ~np.isnan(of_all)
    _add_line(
        figure,
        layers.step[some],
        of_all[some],
        name="median of all layers",
        colour=look.GREY,
        dash="dot",
        window=window,
        log=log,
    )
    shown = _add_line(
        figure,
        layers.step[recorded],
        value[recorded],
        name=look.label(layer),
        colour=look.TRAIN_COLOUR,
        dash="solid",
        window=window,
        log=log,
    )
    if at_step is not None:
        figure.add_vline(at_step, line={"color": look.GREY, "width": 1.5, "dash": "dot"})
    ends = None if log else value_range([shown])
    figure.update_layout(
        xaxis={
            "title": {"text": "step", "standoff": 6},
            "tickformat": ",d",
            "hoverformat": ",.0f",
            "range": None if window is None else list(window),
        },
        yaxis={
            "title": look.label(unit_of(layers.kind)),
            "type": "log" if log else "linear",
            "range": None if ends is None else ends.ends,
            "exponentformat": "power",
        },
        yaxis2=EDGE_AXIS,
        margin={"t": 24},
        legend={"y": -0.32, "yanchor": "top"},
    )
    said = f"{visible(layers.kind)} of {visible(layer)}: {wording.step(int(recorded.sum()))} records"
    if len(shown):
        said += f", from {wording.number(float(shown.min()))} to {wording.number(float(shown.max()))}"
    return Chart(figure, f"{said}, {int(bad.sum())} of them not finite." if bad.any() else f"{said}.")


def histogram_chart(histogram: HistogramSeries, *, window: Window | None = None) -> Chart:
    """How the values of a histogram tag are spread over time: its range, the middle nine tenths, half, and the median.

    Where there are more records than can be drawn, a band is as wide as it is at any of the records that share a place.
    """
    inside = slice(None)
    if window is not None:
        inside = slice(*np.searchsorted(histogram.step, [min(window), np.nextafter(max(window), np.inf)]).tolist())
    step = histogram.step[inside]
    figure = look.new_figure(height_px=HEIGHT_PX)
    figure.update_layout(legend={"y": -0.32, "yanchor": "top"})
    figure.update_xaxes(title={"text": "step", "standoff": 6}, tickformat=",d", hoverformat=",.0f")
    figure.update_yaxes(title=look.label(histogram.tag, longest=40))
    if len(step) == 0:
        return Chart(figure, f"{visible(histogram.tag)} was not recorded in this range.")
    edges = np.linspace(0, len(step), min(len(step), MOST_POINTS // 2) + 1).astype(np.int64)[:-1]
    low, lower, middle, upper, high = histogram.quantiles[inside].T
    at = compact(step[edges])
    for bottom, top, names, opacity in (
        (np.fmin.reduceat(low, edges), np.fmax.reduceat(high, edges), ("5 %", "5 to 95 %"), OUTER_OPACITY),
        (np.fmin.reduceat(lower, edges), np.fmax.reduceat(upper, edges), ("25 %", "25 to 75 %"), INNER_OPACITY),
    ):
        filled = look.faint(look.BLUE, opacity)
        edge = {
            "mode": "lines",
            "line": {"width": 0, "color": look.BLUE},
            "legendgroup": names[1],
            "hovertemplate": "%{y:.4g}",
        }
        figure.add_scatter(x=at, y=compact(bottom), name=names[0], showlegend=False, **edge)
        figure.add_scatter(x=at, y=compact(top), name=names[1], fill="tonexty", fillcolor=filled, **edge)
    for value, name, dash in (
        (middle[edges], "median", "solid"),
        (np.fmin.reduceat(histogram.minimum[inside], edges), "least", "dot"),
        (np.fmax.reduceat(histogram.maximum[inside], edges), "greatest", "dot"),
    ):
        colour = look.BLUE if name == "median" else look.GREY
        figure.add_scatter(
            x=at,
            y=compact(value),
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash, "width": look.LINE_WIDTH if name == "median" else 1},
            hovertemplate="%{y:.4g}",
        )
    return Chart(
        figure,
        f"Values of {visible(histogram.tag)} over {wording.step(len(step))} records: at the last one half of them lie "
        f"between {wording.number(float(lower[-1]))} and {wording.number(float(upper[-1]))}.",
    )


def _add_line(
    figure: go.Figure,
    step: NDArray[np.int64],
    value: Floats,
    *,
    name: str,
    colour: str,
    dash: str,
    window: Window | None,
    log: bool,
) -> Floats:
    """Draw a curve, with marks for what has no height; gives the values that are drawn."""
    line = drawn(step, positive_only(value) if log else value, window=window)
    figure.add_trace(line_trace(line, name=name, colour=colour, dash=dash))
    figure.add_traces(list(edge_traces(line, name=name, colour=colour, axis="y2", log=log)))
    return line.finite


def _middle_of_all(layers: LayerSeries) -> Floats:
    """``[T]`` the median over the layers, NaN where none was recorded."""
    finite = np.where(np.isfinite(layers.value), layers.value, np.nan)
    some = ~np.isnan(finite).all(axis=1)
    middle = np.full(len(finite), np.nan)
    middle[some] = np.nanmedian(finite[some], axis=1)
    return middle
