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
    layers: LayerSeries, at_step: int, *, findings: Sequence[Finding] = (), layer: str | None = None
) -> Chart:
    """The signal of every layer as it was at a step, beside the first record and what was usual; rows as the heatmap's.

    A layer that was not recorded at that step counts as when it was last recorded before.

    Args:
        findings: the layers that they name are marked.
        layer: the one that is looked at.
    """
    rows = np.arange(len(layers.layers))
    now, first = _latest(layers, at_step), _latest(layers, int(layers.step[0])) if len(layers) else None
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
        shown = np.where(value > 0, value, np.nan) if log else value
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


def _latest(layers: LayerSeries, at_step: int) -> NDArray[np.float64]:
    """``[L]`` the last finite record of each layer at or before a step; NaN where there is none."""
    until = layers.value[: int(np.searchsorted(layers.step, at_step, side="right"))]
    finite = np.isfinite(until)
    last = np.where(finite, np.arange(len(until))[:, None], -1).max(axis=0, initial=-1)
    taken = until[np.maximum(last, 0), np.arange(until.shape[1])] if len(until) else np.full(until.shape[1], np.nan)
    return np.asarray(np.where(last >= 0, taken, np.nan))


def _median(value: NDArray[np.float64]) -> float:
    finite = value[np.isfinite(value)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _profile_alt(layers: LayerSeries, at_step: int, now: NDArray[np.float64], log: bool) -> str:
    known = np.flatnonzero(np.isfinite(now))
    said = f"{visible(layers.kind)} over depth at step {wording.step(at_step)}"
    if len(known) == 0:
        return f"{said}: not recorded."
    low, high = known[np.argmin(now[known])], known[np.argmax(now[known])]
    return (
        f"{said}: least in {visible(layers.layers[low])} ({wording.number(float(now[low]))}), most in "
        f"{visible(layers.layers[high])} ({wording.number(float(now[high]))})"
        f"{', on a logarithmic axis' if log else ''}."
    )
