"""Lines of what the machine did over the steps, and what they come to of late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from trainvitals import tags
from trainvitals.figures import look
from trainvitals.figures.finding_bands import add_band
from trainvitals.figures.line_traces import EDGE_AXIS, edge_traces, line_trace
from trainvitals.figures.notes import tell_left_out
from trainvitals.figures.points import Window, drawn
from trainvitals.figures.value_range import value_range
from trainvitals.model import Finding, Run, Series
from trainvitals.reporters import wording

HEIGHT_PX = 280
# What is "now" of a noisy time: the median of its last quarter.
LATEST_SHARE = 0.25
ABOVE_SHARE = 0.05
STEP_AXIS = {"title": {"text": "step", "standoff": 6}, "tickformat": ",d", "hoverformat": ",.0f"}
NAMES = {
    tags.STEP_TIME_S: "whole step (mean)",
    tags.COMMUNICATION_TIME_S: "of this: communication",
    tags.THROUGHPUT_PER_S: "samples a second",
    tags.TOKENS_PER_S: "tokens a second",
    tags.MEMORY_BYTES: "main memory",
    tags.ACCELERATOR_MEMORY_BYTES: "accelerator memory",
    tags.OVERHEAD_PERCENT: "time inside the monitor",
}

Floats = NDArray[np.float64]


def empty_figure() -> go.Figure:
    """With the axes that the lines stand on."""
    figure = look.new_figure(height_px=HEIGHT_PX)
    figure.update_layout(margin={"t": 24}, legend={"y": -0.26, "yanchor": "top"}, yaxis2=EDGE_AXIS)
    return figure


def add_line(figure: go.Figure, series: Series, *, colour: str, dash: str, window: Window | None, unit: str) -> Floats:
    line = drawn(series.step, series.value, window=window)
    name = look.label(NAMES.get(series.tag, series.tag))
    hover = f"%{{y:.3s}}{unit}" if unit in ("s", "B") else f"%{{y:.4g}}{unit}"
    figure.add_trace(line_trace(line, name=name, colour=colour, dash=dash, hovertemplate=hover))
    figure.add_traces(list(edge_traces(line, name=name, colour=colour, axis="y2")))
    return line.finite


def add_bands(figure: go.Figure, run: Run, findings: Sequence[Finding], drawn_tags: set[str]) -> None:
    """Where the findings hold that rest on what is drawn."""
    for finding in findings:
        if finding.signals & drawn_tags:
            add_band(figure, finding, run.last_step or 0)


def finish(figure: go.Figure, scales: Sequence[Floats], title: str, window: Window | None, *, from_zero: bool) -> None:
    ends = value_range([scale for scale in scales if len(scale)])
    if ends is not None and from_zero:
        ends = replace(ends, low=0.0, high=(1.0 + ABOVE_SHARE) * ends.high, below=0)
    axis = {"title": title, "range": None if ends is None else ends.ends}
    if "[bytes]" in title:
        axis |= {"tickformat": ".2s"}
    elif "[s]" in title:
        # Not 40m, which are milliseconds to some and minutes to others.
        axis |= {"tickformat": "~g"}
    figure.update_layout(xaxis=STEP_AXIS | {"range": None if window is None else list(window)}, yaxis=axis)
    if ends is not None:
        tell_left_out(figure, ends)


def latest(value: NDArray[np.floating]) -> float:
    """The median of the last quarter of what is finite; NaN without any."""
    finite = value[np.isfinite(value)]
    return float(np.median(finite[-max(1, round(LATEST_SHARE * len(finite))) :])) if len(finite) else float("nan")


def seconds(seconds: float) -> str:
    """``25.8 ms``, ``1.2 s``."""
    return f"{wording.number(1000 * seconds)} ms" if seconds < 1 else f"{wording.number(seconds)} s"
