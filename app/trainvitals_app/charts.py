"""The one place that draws a chart. A box drawn in it is the zoom.

Streamlit forgets an ordinary zoom whenever the data of a chart change. So a box that is selected goes into the URL as a
range of the x-axis, and the page builds its figure anew for that range, at full detail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from trainvitals.figures.chart import Chart
from trainvitals_app import address

_CONFIG = {
    "displaylogo": False,
    # A zoom of plotly's own would be gone with the next point.
    "modeBarButtonsToRemove": ["lasso2d", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"],
    "scrollZoom": False,
    "doubleClick": False,
    "responsive": True,
}


def show(
    chart: Chart,
    key: str,
    *,
    zoom: address.Field[address.Window | None] | None = address.STEPS,
    on_points: Callable[[Sequence[Mapping[str, Any]]], None] | None = None,
    height: int | None = None,
    with_reset: bool = True,
) -> None:
    """Draw a chart.

    The page hands ``zoom.get()`` to the builder of the figure as its ``window``, which draws that range only.

    Args:
        chart: the figure, and what it shows in words.
        key: unique on the page.
        zoom: where the range goes that is selected in it; None for a chart without one.
        on_points: told of the points that are clicked, as plotly describes them, before the page runs again. Only
            without ``zoom``: where a box can be drawn, nothing is told of clicks.
        height: in pixels; the figure's own if None.
        with_reset: whether the button that shows everything again stands above it; several charts may share one.
    """
    if zoom and on_points:
        raise ValueError("a chart is either zoomed by a box or clicked")
    figure = chart.figure
    if height is not None:
        figure.update_layout(height=height)
    modes = [*(["box"] if zoom else []), *(["points"] if on_points else [])]
    figure.update_layout(dragmode="select" if zoom else False, selectdirection="h", clickmode="event+select")

    def selected() -> None:
        selection = st.session_state[key]["selection"]
        if on_points and selection["points"]:
            on_points(selection["points"])
        if zoom and selection["box"]:
            zoom.set(_range(selection["box"][0]["x"]))

    selecting: dict[str, Any] = {"on_select": selected, "selection_mode": modes} if modes else {}
    with st.container(key=f"chart-{key}", gap="xxsmall"):
        if zoom and with_reset:
            reset_button(key, zoom)
        st.plotly_chart(
            figure,
            key=key,
            theme=None,
            config={**_CONFIG, "toImageButtonOptions": {"filename": key, "scale": 2}},
            alt=chart.alt,
            **selecting,
        )


def reset_button(key: str, zoom: address.Field[address.Window | None]) -> None:
    """Draw the button that shows everything again, if there is a range to leave."""
    if zoom.get() is None:
        return
    st.button(
        "Reset range",
        key=f"reset-{key}",
        icon=":material/zoom_out_map:",
        type="tertiary",
        help="Show everything again. Draw a box in the chart to look closer.",
        on_click=zoom.set,
        args=(None,),
    )


def _range(ends: Sequence[float | str]) -> address.Window:
    """The ends of a box as numbers; dates as plotly writes them are seconds since the epoch."""
    first, last = sorted(_number(end) for end in ends)
    return first, last


def _number(end: float | str) -> float:
    if not isinstance(end, str):
        return float(end)
    try:
        return float(end)
    except ValueError:
        return datetime.fromisoformat(end.strip().replace(" ", "T")).replace(tzinfo=UTC).timestamp()
