"""A signal of every layer, over depth at one step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.layer_cells import MOST_ROWS, rows_of, spans_decades
from trainvitals.figures.layer_figures import LEGEND, MARGINS, height_px, unit_of
from trainvitals.model import Finding, LayerSeries
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible


def depth_profile_chart(
    layers: LayerSeries,
    at_step: int,
    *,
    findings: Sequence[Finding] = (),
    layer: str | None = None,
    non_finite: NDArray[np.bool_] | None = None,
) -> Chart:
    """The signal of every layer as it was at a step, beside the first record and what was usual; rows as the heatmap's.

    A layer that was not recorded at that step counts as when it was last recorded before.

    Args:
        findings: the layers that they name are marked.
        layer: the one that is looked at.
        non_finite: ``[T, L]`` where a NaN or an infinity was recorded; the infinities if None.
    """
    rows = np.arange(len(layers.layers))
    bad = np.isinf(layers.value) if non_finite is None else non_finite
    now = _latest(layers, bad, at_step)
    first = _latest(layers, bad, int(layers.step[0])) if len(layers) else None
    lost = int(np.isinf(now).sum())
    log = spans_decades(layers.value)
    figure = look.new_figure(height_px=height_px(min(len(rows), MOST_ROWS)))
    usual = np.array([_median(column) for column in layers.value.T])
    for name, value, colour, dash in (
        ("first record", first, look.GREY, "dot"),
        ("usual (median)", usual, look.ORANGE, "dash"),
        (f"step {wording.step(at_step)}", now, look.BLUE, "solid"),
    ):
        if value is None:
            continue
        shown = np.where(np.isfinite(value) & ((value > 0) | (not log)), value, np.nan)
        figure.add_scatter(
            x=shown,
            y=rows,
            mode="lines+markers" if dash == "solid" else "lines",
            marker={"size": 5},
            line={"color": colour, "dash": dash, "width": look.LINE_WIDTH},
            name=name,
            customdata=[look.label(each) for each in layers.layers],
            hovertemplate="%{customdata}: %{x:.3g}",
        )
    for finding in findings:
        marked = rows_of(finding, layers.layers)
        if marked:
            severity = look.SEVERITY_LOOK[finding.severity]
            figure.add_scatter(
                x=now[marked],
                y=marked,
                mode="markers",
                marker={"color": severity.colour, "size": 9, "symbol": "circle-open", "line": {"width": 2}},
                name=look.label(f"{severity.icon} {finding.name}"),
                hoverinfo="skip",
            )
    if lost:
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "x", "size": 8, "color": look.VERMILION},
            name=f"not finite: {lost}",
        )
    if layer in layers.layers:
        figure.add_hline(layers.layers.index(layer), line={"color": look.GREY, "width": 1.5, "dash": "dot"})
    figure.update_layout(hovermode="closest", margin=MARGINS, legend=LEGEND)
    figure.update_xaxes(
        title={"text": look.label(unit_of(layers.kind)), "standoff": 6},
        type="log" if log else "linear",
        exponentformat="power",
    )
    figure.update_yaxes(range=[len(rows) - 0.5, -0.5], showticklabels=False, ticks="", showgrid=False)
    return Chart(figure, _profile_alt(layers, at_step, now, log))


def _latest(layers: LayerSeries, bad: NDArray[np.bool_], at_step: int) -> NDArray[np.float64]:
    """``[L]`` the last record of each layer at or before a step: infinite if not finite, NaN where there is none."""
    until = slice(0, int(np.searchsorted(layers.step, at_step, side="right")))
    value = np.where(bad[until], np.inf, layers.value[until])
    last = np.where(~np.isnan(value), np.arange(len(value))[:, None], -1).max(axis=0, initial=-1)
    if len(value) == 0:
        return np.full(len(layers.layers), np.nan)
    return np.asarray(np.where(last >= 0, value[np.maximum(last, 0), np.arange(value.shape[1])], np.nan))


def _median(value: NDArray[np.float64]) -> float:
    finite = value[np.isfinite(value)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _profile_alt(layers: LayerSeries, at_step: int, now: NDArray[np.float64], log: bool) -> str:
    known = np.flatnonzero(np.isfinite(now))
    said = f"{visible(layers.kind)} over depth at step {wording.step(at_step)}"
    lost = int(np.isinf(now).sum())
    if len(known) == 0:
        return f"{said}: {'not finite in any layer' if lost else 'not recorded'}."
    low, high = known[np.argmin(now[known])], known[np.argmax(now[known])]
    return (
        f"{said}: least in {visible(layers.layers[low])} ({wording.number(float(now[low]))}), most in "
        f"{visible(layers.layers[high])} ({wording.number(float(now[high]))})"
        f"{', on a logarithmic axis' if log else ''}{f'; not finite in {lost}' if lost else ''}."
    )
