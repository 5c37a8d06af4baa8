"""Small text inside a chart."""

from __future__ import annotations

from typing import Any, Literal

from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.line_traces import AT_BOTTOM, AT_TOP
from trainvitals.figures.value_range import ValueRange
from trainvitals.reporters.wording import number

# From the marks at the edges to a note beside them, as a share of the height.
APART = 0.04


def note(
    figure: go.Figure,
    words: str,
    *,
    x: float,
    y: float,
    xref: str = "x",
    yref: str,
    xanchor: Literal["left", "center", "right"] = "left",
    yanchor: Literal["top", "middle", "bottom"] = "middle",
    shift_px: tuple[int, int] = (0, 0),
) -> None:
    """Write something, where plotly's names of axes and anchors say. The words must be safe for plotly already."""
    figure.add_annotation(
        x=x,
        y=y,
        xref=xref,
        yref=yref,
        xanchor=xanchor,
        yanchor=yanchor,
        xshift=shift_px[0],
        yshift=shift_px[1],
        text=words,
        showarrow=False,
        font={"size": look.SMALL_FONT_SIZE},
    )


def tell_left_out(figure: go.Figure, ends: ValueRange, *, axis: str = "y", xref: str = "paper") -> None:
    """Say what lies beyond a value axis, at the edge behind which it lies."""
    place: dict[str, Any] = {"x": 1, "xref": xref, "yref": f"{axis} domain", "xanchor": "right"}
    if ends.above:
        words = f"▲ {ends.above:,} higher, up to {number(ends.greatest)}"
        note(figure, words, y=AT_TOP - APART, yanchor="top", **place)
    if ends.below:
        words = f"▼ {ends.below:,} lower, down to {number(ends.least)}"
        note(figure, words, y=AT_BOTTOM + APART, yanchor="bottom", **place)
