"""Any signal of up to eight runs, over any axis that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from trainvitals.figures.chart import Chart
from trainvitals.figures.curves_figure import Curve, curves_chart, legend_chart
from trainvitals.figures.x_axes import AXIS_KINDS, AxisKind, available, places
from trainvitals.model import Series
from trainvitals.reporters.visible import visible
from trainvitals_app import address, charts, live, shared, text
from trainvitals_app.parts import axis_range, several_runs, tag_choice
from trainvitals_app.parts.scalars_csv import scalars_csv
from trainvitals_app.parts.several_runs import Opened, short_names
from trainvitals_app.runs.open_runs import Snapshot

FILTER = address.text("filter")
CHARTS_A_PAGE = 9
TAGS = address.texts("tags", most=CHARTS_A_PAGE)
AXIS = address.choice("x", AXIS_KINDS, "step")
SMOOTHING = address.number("smoothing", 0.6, least=0.0, most=0.999)
LOG_X, LOG_Y = address.flag("logx"), address.flag("logy")
PAGE = address.whole("page", 1)

ZOOMS: dict[AxisKind, address.Field[address.Window | None]] = {
    "step": address.STEPS,
    "epoch": address.window("epochs"),
    "relative": address.window("seconds"),
    "wall": address.window("time"),
    "tokens": address.window("tokens"),
}
AXIS_NAMES: dict[AxisKind, str] = {
    "step": "Step",
    "epoch": "Epoch",
    "relative": "Relative time",
    "wall": "Wall time",
    "tokens": "Tokens",
}
HOW_TO_LOG: dict[AxisKind, str] = {
    "step": "nothing was logged",
    "epoch": "log epochs: `vitals.log(epoch=epoch)`",
    "relative": "the log has no times",
    "wall": "the log has no times",
    "tokens": "log tokens: `vitals.log(tokens=tokens)`",
}

# Evenly set apart by how far back the average looks.
WEIGHTS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
LONGEST_TAG = 100
MOST_BESIDE = 3
# By how many charts stand beside one another.
HEIGHTS_PX = {1: 460, 2: 340, 3: 270}
# Two for each column of pixels on a wide screen.
POINTS = {1: 2000, 2: 1200, 3: 800}
_DRAWN = "drawn-curves"


@dataclass(frozen=True, slots=True)
class View:
    """What is drawn of the runs.

    Args:
        chosen: the signals that were chosen; tags: those of the page that is open.
    """

    run_ids: tuple[str, ...]
    chosen: tuple[str, ...]
    tags: tuple[str, ...]
    axis: AxisKind
    smoothing: float
    log_x: bool
    log_y: bool


def page() -> None:
    """Draw the page."""
    rows = shared.catalogue().rows()
    looked_at = address.RUN.get()
    run_ids = several_runs.choose_runs(default=[looked_at] if looked_at else [row.id for row in rows[:1]])
    if not run_ids:
        several_runs.invite("Choose the runs whose curves you want to see.")
        return
    with st.spinner("Reading the runs", show_time=True):
        opened = several_runs.open_runs(run_ids)
    several_runs.tell_troubles(opened)
    if not opened.snapshots:
        return
    options = _axes(opened)
    axis = next((kind for kind in options if kind == AXIS.get()), options[0])
    every = _tags(opened, axis)
    chosen, tools = _choose_tags(every)
    with st.container(
        key="curve-look", horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"
    ):
        _choose_look(axis, options)
        shown = _turn_pages(chosen)
    _tell_left_out(opened, axis)
    view = View(run_ids, tuple(chosen), tuple(shown), axis, SMOOTHING.get(), LOG_X.get(), LOG_Y.get())
    window = ZOOMS[axis].get()
    with tools:
        axis_range.show("curves", ZOOMS[axis], lambda: _extent(several_runs.open_runs(run_ids), view), axis)
        _save(opened, view, window)
    st.fragment(_charts, run_every=live.refresh_s())(view, (opened.versions, every, window))


def _axes(opened: Opened) -> list[AxisKind]:
    """The axes that any of the runs has."""
    kinds = {kind for each in opened.snapshots for kind in available(each.run, each.signals)}
    return [kind for kind in AXIS_KINDS if kind in kinds] or ["step"]


def _tags(opened: Opened, axis: AxisKind) -> list[str]:
    """The signals of the runs that have this axis."""
    return tag_choice.tags_of([each for each in opened.snapshots if axis in available(each.run, each.signals)])


def _choose_tags(every: Sequence[str]) -> tuple[list[str], DeltaGenerator]:
    """Draw the two ways to choose signals; those that are chosen, and room beside."""
    left, right, beside = st.columns([5, 8, 4], vertical_alignment="bottom")
    left.text_input(
        "Filter by name",
        placeholder="a regular expression: loss|grad_norm/layer\\.[0-3]",
        max_chars=tag_choice.LONGEST_PATTERN,
        **address.bound(FILTER),
    )
    picked = tuple(tag for tag in TAGS.get() if tag in every)
    right.multiselect(
        "Or pick signals",
        every,
        format_func=lambda tag: visible(tag, longest=LONGEST_TAG),
        max_selections=CHARTS_A_PAGE,
        placeholder=f"all {len(every):,}; type to search",
        **address.bound(TAGS, shown=lambda tags: [tag for tag in tags if tag in every]),
    )
    found, mistake = tag_choice.matching(picked or every, FILTER.get())
    if mistake is not None:
        st.warning(f"{text.markdown(mistake)}. All signals are shown.", icon=":material/warning:")
    elif not found:
        st.info(f"No signal of these runs matches {text.code(FILTER.get(), longest=80)}.", icon=":material/search_off:")
    return found, beside.container(key="curve-tools", horizontal=True, horizontal_alignment="right")


def _choose_look(axis: AxisKind, options: Sequence[AxisKind]) -> None:
    """Draw the controls of how signals are drawn."""
    missing = [f"{AXIS_NAMES[kind].lower()} ({HOW_TO_LOG[kind]})" for kind in AXIS_KINDS if kind not in options]
    with st.container(
        key="curve-controls", horizontal=True, vertical_alignment="bottom", gap="medium", width="content"
    ):
        st.segmented_control(
            "Over",
            options,
            format_func=lambda kind: AXIS_NAMES[kind],
            required=True,
            width="content",
            help=f"Not here: {', '.join(missing)}." if missing else None,
            **address.bound(AXIS, shown=lambda _: axis),
        )
        st.select_slider(
            "Smoothing",
            WEIGHTS,
            help="Weight of the past in a moving average over all points. Points are left out only after that.",
            width=260,
            **address.bound(SMOOTHING, shown=lambda weight: min(WEIGHTS, key=lambda each: abs(each - weight))),
        )
        st.toggle("Log x", disabled=axis == "wall", **address.bound(LOG_X))
        st.toggle("Log y", **address.bound(LOG_Y))


def _tell_left_out(opened: Opened, axis: AxisKind) -> None:
    without = [each.run.id for each in opened.snapshots if axis not in available(each.run, each.signals)]
    if without:
        names = ", ".join(text.code(name, longest=60) for name in without)
        st.caption(f"Left out, because over {AXIS_NAMES[axis].lower()} they have no place: {names}.")


def _turn_pages(tags: Sequence[str]) -> list[str]:
    """Draw the buttons between pages; the signals of the page that is open."""
    pages = [list(tags[begin : begin + CHARTS_A_PAGE]) for begin in range(0, len(tags), CHARTS_A_PAGE)]
    if len(pages) < 2:
        return list(tags)
    number = min(max(PAGE.get() or 1, 1), len(pages))
    with st.container(key="curve-pages", horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.button(
            "Previous", icon=":material/chevron_left:", disabled=number == 1, on_click=PAGE.set, args=(number - 1,)
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            disabled=number == len(pages),
            on_click=PAGE.set,
            args=(number + 1,),
        )
        st.markdown(f":gray[Page {number} of {len(pages)}, {len(tags):,} signals]", width="content")
    return pages[number - 1]


def _charts(view: View, seen: tuple[object, list[str], address.Window | None]) -> None:
    """Draw the charts of a page; ``seen`` are the versions of the runs, their signals and the range that the controls
    are for. Those are not refreshed, so that nothing is drawn anew under a click."""
    several_runs.follow_new_runs()
    opened = several_runs.open_runs(view.run_ids, patience_s=0.0)
    versions, every, window = seen
    if ZOOMS[view.axis].get() != window or (opened.versions != versions and _tags(opened, view.axis) != every):
        st.rerun()
    drawn = _drawn(opened, view, window)
    if len(opened.snapshots) > 1:
        charts.show(legend_chart(_named(opened, view)), "curves-legend", zoom=None)
    with st.container(key="curves-above", horizontal=True, vertical_alignment="center"):
        charts.reset_button("curves", ZOOMS[view.axis])
        written = live.ago(max(each.updated_at_s for each in opened.snapshots))
        st.caption(f"written {written} · draw a box in a chart to look closer", width="content")
    beside = min(MOST_BESIDE, max(len(drawn), 1))
    for begin in range(0, len(drawn), beside):
        for column, place in zip(st.columns(beside), range(begin, min(begin + beside, len(drawn))), strict=False):
            with column:
                charts.show(drawn[place], f"curves-{place}", zoom=ZOOMS[view.axis], with_reset=False)


def _extent(opened: Opened, view: View) -> address.Window:
    """Where the axis of the curves begins and ends."""
    found = [
        places(each.run, each.signals, each.run.series[tag], view.axis)
        for each in opened.snapshots
        for tag in view.tags
        if tag in each.run.series
    ]
    ends = [float(end(x)) for x in found if x is not None for end in (np.nanmin, np.nanmax)]
    return min(ends, default=0.0), max(ends, default=0.0)


def _named(opened: Opened, view: View) -> list[tuple[str, int]]:
    """The short name of each run that could be read, and its place, which gives its colour."""
    ids = [each.run.id for each in opened.snapshots]
    return [(name, view.run_ids.index(run_id)) for name, run_id in zip(short_names(ids), ids, strict=True)]


def _save(opened: Opened, view: View, window: address.Window | None) -> None:
    newest = several_runs.newest(opened.snapshots)

    def content() -> bytes:
        found = newest()
        selection = [(each, tag) for tag in view.chosen for each in found if tag in each.run.series]
        return scalars_csv((each.run.id, _cut(each, tag, view.axis, window)) for each, tag in selection)

    if view.chosen:
        st.download_button(
            "Save as CSV",
            content,
            "curves.csv",
            "text/csv",
            key="save-curves",
            help="Every value of the chosen signals as it was logged, from the range that is shown.",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )


def _cut(snapshot: Snapshot, tag: str, axis: AxisKind, window: address.Window | None) -> Series:
    """The part of a signal that lies in the window."""
    series = snapshot.run.series[tag]
    x = places(snapshot.run, snapshot.signals, series, axis)
    return series if window is None or x is None else series.take((x >= window[0]) & (x <= window[1]))


def _drawn(opened: Opened, view: View, window: address.Window | None) -> list[Chart]:
    """The charts, built anew only if anything has changed."""
    key = (opened.versions, view, window)
    kept = st.session_state.get(_DRAWN)
    if kept is None or kept[0] != key:
        made = [_chart(tag, opened, view, window) for tag in view.tags]
        kept = st.session_state[_DRAWN] = (key, made)
    found: list[Chart] = kept[1]
    return found


def _chart(tag: str, opened: Opened, view: View, window: address.Window | None) -> Chart:
    curves = []
    for (name, place), snapshot in zip(_named(opened, view), opened.snapshots, strict=True):
        run, series = snapshot.run, snapshot.run.series.get(tag)
        x = None if series is None else places(run, snapshot.signals, series, view.axis)
        if series is not None and x is not None:
            restarts = tuple(restart.step for restart in run.restarts)
            curves.append(Curve(name, place, series, x, restarts))
    beside = min(len(view.tags), MOST_BESIDE)
    return curves_chart(
        tag,
        curves,
        axis=view.axis,
        smoothing=view.smoothing,
        window=window,
        log_x=view.log_x,
        log_y=view.log_y,
        height_px=HEIGHTS_PX[beside],
        limit=POINTS[beside],
    )
