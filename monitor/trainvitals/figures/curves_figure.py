"""One signal of one or several runs, over any axis that they have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.line_traces import EDGE_AXIS, edge_traces, line_trace, positive_only
from trainvitals.figures.loss_lines import REPLACED_OPACITY, breaks_at, replaced, smoothing_for
from trainvitals.figures.notes import note, tell_left_out
from trainvitals.figures.points import MOST_POINTS, Drawn, Floats, Window, drawn, smoothed
from trainvitals.figures.value_range import value_range
from trainvitals.figures.x_axes import AXIS_TITLES, MILLISECONDS, AxisKind, axis_layout
from trainvitals.model import Series
from trainvitals.reporters.visible import visible
from trainvitals.reporters.wording import number

HEIGHT_PX = 270
LEGEND_PX, LEGEND_ROW_PX = 20, 20
# Of the charts below a legend; of a letter in it.
NARROWEST_PX, CHARACTER_PX = 560, 6
TOP_PX = 30
# Long enough for every pattern of dashes.
LEGEND_ITEM_PX = 50
LONGEST_NAME = 40
PADDING = 0.015
EDGE = "y2"


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One signal of one run.

    Args:
        run: its name; as logged.
        place: of the run among those that are shown, from 0: it gives colour and dashes.
        series: as logged; what a restart replaced is dotted.
        x: ``[T]`` where its points stand on the axis, as ``x_axes.places`` says.
        restarts: the steps with which the run goes on after a restart; nothing is smoothed or joined across one.
    """

    run: str
    place: int
    series: Series
    x: Floats
    restarts: tuple[int, ...] = ()


def curves_chart(
    tag: str,
    curves: Sequence[Curve],
    *,
    axis: AxisKind = "step",
    smoothing: float | None = 0.0,
    window: Window | None = None,
    log_x: bool = False,
    log_y: bool = False,
    height_px: int = HEIGHT_PX,
    limit: int = MOST_POINTS,
) -> Chart:
    """One signal as recorded and smoothed; the raw curve stays faint behind the smoothed one.

    Args:
        tag: what it is called; as logged.
        curves: at most ``look.MOST_RUNS``.
        axis: what the curves' places are on.
        smoothing: the weight of the past in the moving average, 0 to 0.999; None for what makes each curve readable.
        window: the part of the axis to show, in its unit; all where it is None.
        log_x, log_y: points that have no place on a logarithmic axis are counted and named.
        limit: at most so many points are drawn of a line.
    """
    log_x = log_x and axis != "wall"
    figure = look.new_figure(height_px=height_px)
    figure.update_layout(
        title={"text": look.label(tag), "x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container"},
        title_font_size=look.FONT_SIZE + 1,
        title_yanchor="top",
        title_pad={"t": 8},
        margin={"t": TOP_PX},
        showlegend=False,
        yaxis={"type": "log" if log_y else "linear"},
        yaxis2=dict(EDGE_AXIS),
    )
    lines = [line for curve in curves for line in _draw(figure, curve, axis, smoothing, window, log_x, log_y, limit)]
    shown = window or _extent(lines, log_x)
    if shown is None or not curves:
        return _nothing_here(figure, tag, axis)
    figure.update_layout(xaxis=axis_layout(axis, _ends(shown, lines, log_x), log=log_x))
    ends = value_range([line.seen(window) for line in lines], log=log_y)
    if ends is not None:
        figure.update_layout(yaxis={"range": ends.ends})
        tell_left_out(figure, ends)
    _tell_without_place(figure, curves, axis, log_x)
    return Chart(figure, _alt(tag, curves, axis))


def legend_chart(runs: Sequence[tuple[str, int]]) -> Chart:
    """Only the legend of several runs, once for all charts below it.

    Args:
        runs: the name of each, as logged, and its place.
    """
    names = [visible(run, longest=LONGEST_NAME) for run, _ in runs]
    # In columns as wide as the longest name; what does not fit would be hidden behind a scroll bar.
    column_px = 2 * LEGEND_ITEM_PX + CHARACTER_PX * max(map(len, names), default=0)
    rows = math.ceil(len(names) / max(1, NARROWEST_PX // column_px))
    figure = look.new_figure(height_px=LEGEND_PX + LEGEND_ROW_PX * rows)
    for name, (_, place) in zip(map(look.label, names), runs, strict=True):
        line = {"color": look.RUN_COLOURS[place], "width": look.LINE_WIDTH, "dash": look.RUN_DASHES[place]}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=line, name=name))
    figure.update_layout(
        xaxis={"visible": False},
        yaxis={"visible": False},
        margin={"t": 0, "b": 0},
        legend={
            "y": 0.5,
            "yanchor": "middle",
            "itemwidth": LEGEND_ITEM_PX,
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    return Chart(figure, f"The runs: {', '.join(visible(run) for run, _ in runs)}.")


def _draw(
    figure: go.Figure,
    curve: Curve,
    axis: AxisKind,
    smoothing: float | None,
    window: Window | None,
    log_x: bool,
    log_y: bool,
    limit: int,
) -> list[Drawn]:
    """Draw one run's curve; what of it is to be seen whole, in the unit of the axis."""
    name = look.label(curve.run, longest=LONGEST_NAME)
    colour, dash = look.RUN_COLOURS[curve.place], look.RUN_DASHES[curve.place]
    latest, x = curve.series.latest(), _with_places(curve).latest().value
    value = positive_only(latest.value) if log_y else np.asarray(latest.value, dtype=np.float64)
    breaks = breaks_at(latest, curve.restarts)
    raw = drawn(_placed(x, log_x), value, window=window, breaks=breaks, limit=limit)
    lines = [raw]
    gone, gone_x = replaced(curve.series), replaced(_with_places(curve)).value
    if len(gone):
        old = drawn(
            _placed(gone_x, log_x), positive_only(gone.value) if log_y else gone.value, window=window, limit=limit
        )
        faint = look.faint(colour, REPLACED_OPACITY)
        figure.add_trace(line_trace(_in_unit(old, axis), name=f"{name}, replaced", colour=faint, dash="dot"))
        lines.append(old)
    weight = smoothing_for(np.asarray(latest.finite().value, np.float64)) if smoothing is None else smoothing
    if weight:
        average = drawn(_placed(x, log_x), smoothed(value, weight, breaks), window=window, breaks=breaks, limit=limit)
        faint = look.faint(colour, look.RAW_OPACITY)
        each = f"{name}, each point"
        figure.add_trace(line_trace(_in_unit(raw, axis), name=each, colour=faint, hoverinfo="skip", mark_few=False))
        figure.add_trace(line_trace(_in_unit(average, axis), name=name, colour=colour, dash=dash, mark_few=False))
        lines.append(average)
    else:
        figure.add_trace(line_trace(_in_unit(raw, axis), name=name, colour=colour, dash=dash))
    figure.add_traces(list(edge_traces(_in_unit(raw, axis), name=name, colour=colour, axis=EDGE, log=log_y)))
    return lines


def _with_places(curve: Curve) -> Series:
    """A series whose values are the places of the points, so that what is taken of one is taken of the other."""
    return replace(curve.series, value=curve.x)


def _placed(x: np.ndarray, log_x: bool) -> Floats:
    place = np.asarray(x, dtype=np.float64)
    return np.where(place > 0, place, np.nan) if log_x else place


def _in_unit(line: Drawn, axis: AxisKind) -> Drawn:
    """With its places as plotly takes them."""
    if axis != "wall":
        return line
    nan, above, below = (replace(m, x=m.x * MILLISECONDS) for m in (line.nan, line.above, line.below))
    return replace(line, x=line.x * MILLISECONDS, nan=nan, above=above, below=below)


def _extent(lines: Sequence[Drawn], log_x: bool) -> Window | None:
    """From the first to the last place of any point, with some room beside."""
    places = (place for line in lines for place in (line.x, line.nan.x, line.above.x, line.below.x))
    every = np.concatenate([np.empty(0), *places])
    if len(every) == 0:
        return None
    low, high = float(every.min()), float(every.max())
    if log_x:
        return low / (high / low) ** PADDING, high * (high / low) ** PADDING if high > low else high * 2
    margin = max(PADDING * (high - low), abs(high) * 1e-9, 1e-9) if high > low else max(abs(high) * PADDING, 0.5)
    return low - margin, high + margin


def _ends(shown: Window, lines: Sequence[Drawn], log_x: bool) -> Window:
    """The same range where the axis can have it: a logarithmic one ends above zero."""
    if not log_x or shown[0] > 0:
        return shown
    whole = _extent(lines, log_x=True)
    low = whole[0] if whole is not None else 1e-3
    return low, max(shown[1], low * 2)


def _nothing_here(figure: go.Figure, tag: str, axis: AxisKind) -> Chart:
    words = f"no point has a place on the axis: {AXIS_TITLES[axis]}"
    note(figure, words, x=0.5, y=0.5, xref="paper", yref="paper", xanchor="center")
    figure.update_layout(xaxis={"visible": False}, yaxis={"visible": False})
    return Chart(figure, f"{visible(tag)}: {words}.")


def _tell_without_place(figure: go.Figure, curves: Sequence[Curve], axis: AxisKind, log_x: bool) -> None:
    missing = sum(int(np.count_nonzero(~np.isfinite(_placed(curve.x, log_x)))) for curve in curves)
    if missing:
        why = "at 0 or before" if log_x else f"of unknown {AXIS_TITLES[axis]}"
        words = f"{missing:,} point{'' if missing == 1 else 's'} {why} not shown"
        note(figure, words, x=1, y=1, xref="paper", yref="paper", xanchor="right", yanchor="bottom")


def _alt(tag: str, curves: Sequence[Curve], axis: AxisKind) -> str:
    parts = []
    for curve in curves:
        latest = curve.series.latest()
        finite = latest.finite().value
        course = f"from {number(float(finite[0]))} to {number(float(finite[-1]))}" if len(finite) else "no finite value"
        not_finite = len(latest) - len(finite)
        more = f", {not_finite:,} not finite" if not_finite else ""
        parts.append(f"{visible(curve.run, longest=LONGEST_NAME)} {course}{more}")
    return f"{visible(tag)} over {AXIS_TITLES[axis]}: {'; '.join(parts)}."
