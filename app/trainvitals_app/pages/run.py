"""One run in depth: what is wrong, since when, why and what to try, beside the curves that show it.

Each part is refreshed by itself. What is drawn of an unchanged run is not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from trainvitals.errors import TrainvitalsError
from trainvitals.figures.chart import Chart
from trainvitals.figures.loss_figure import loss_chart
from trainvitals.model import Diagnosis, Run
from trainvitals_app import address, charts, live, shared, text
from trainvitals_app.findings import announcements, card_list
from trainvitals_app.findings.card_texts import keyed
from trainvitals_app.parts import axis_range, exports, no_runs, run_chooser, run_header, run_sections
from trainvitals_app.runs.open_runs import Snapshot

LOG_LOSS = address.flag("log")

CARDS_WIDTH, CHARTS_WIDTH = 5, 6
# What lies below may be large, and is not needed as often as the verdict.
SECTIONS_EVERY_S = 15.0
_DRAWN, _HELD, _CHART, _CONTROLLED = "drawn-view", "held-snapshot", "loss-chart", "controlled-run"


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The losses as they were drawn last, and of what."""

    key: object
    diagnosis: Diagnosis
    chart: Chart


def page() -> None:
    """Draw the page."""
    every_s = live.refresh_s()
    st.session_state[_DRAWN] = _view()
    st.fragment(_chooser, run_every=every_s)()
    run_id = address.RUN.get()
    if not run_id:
        st.fragment(no_runs.show, run_every=every_s)()
        return
    st.fragment(_verdict, run_every=every_s)(run_id)
    left, right = st.columns([CARDS_WIDTH, CHARTS_WIDTH], gap="medium")
    with left, st.container(key="run-cards"):
        st.fragment(_cards, run_every=every_s)(run_id)
    with right, st.container(key="run-charts"):
        st.fragment(_controls)(run_id)
        st.fragment(_losses, run_every=every_s)(run_id)
    with st.container(key="run-sections"):
        st.fragment(_sections, run_every=None if every_s is None else max(every_s, SECTIONS_EVERY_S))(run_id)


def _chooser() -> None:
    try:
        run_chooser.show()
    except TrainvitalsError as error:
        # Settings were changed to what cannot be understood while somebody looks on.
        st.error(text.markdown(error.message()), icon=":material/settings:")
    _follow_the_view()


def _verdict(run_id: str) -> None:
    _follow_the_view()
    try:
        with st.spinner("Reading the run", show_time=True):
            shown = _snapshot(run_id)
    except TrainvitalsError as error:
        st.warning(text.markdown(error.message()), icon=":material/warning:")
        return
    run_header.show(shown)
    if shown.trouble is not None:
        st.warning(f"{text.markdown(shown.trouble)}  \nWhat was read before is shown.", icon=":material/warning:")
    announcements.show(run_id, shown.changes)


def _cards(run_id: str) -> None:
    if (shown := _current(run_id)) is not None:
        card_list.show(shown, accepted=_accepted)


def _accepted() -> None:
    """A finding was accepted: show what that changes, also while paused."""
    st.session_state.pop(_HELD, None)
    st.rerun()


def _controls(run_id: str) -> None:
    """What is not refreshed, so that nothing is drawn anew under a click or while something is typed."""
    shown = _current(run_id)
    st.session_state[_CONTROLLED] = run_id if shown is not None else None
    if shown is None:
        return
    with st.container(
        key="loss-controls", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.toggle("Logarithmic loss", **address.bound(LOG_LOSS))
        axis_range.show("run", address.STEPS, lambda: _extent(_snapshot(run_id).run))
        exports.show(shown)


def _losses(run_id: str) -> None:
    if (shown := _current(run_id)) is None:
        return
    if st.session_state[_CONTROLLED] != run_id:
        # It could not be read when the page was drawn.
        st.rerun()
    charts.show(_loss_chart(shown), "loss")


def _extent(run: Run) -> address.Window:
    return float(run.first_step or 0), float(run.last_step or 0)


def _loss_chart(shown: Snapshot) -> Chart:
    """The chart of what is looked at, drawn anew only when there is something new."""
    finding, window, log_y = address.FINDING.get(), address.STEPS.get(), LOG_LOSS.get()
    key = (shown.run.id, shown.version, finding, window, log_y)
    kept: _Drawn | None = st.session_state.get(_CHART)
    # Under other settings, versions count from one again.
    if kept is None or kept.key != key or kept.diagnosis is not shown.diagnosis:
        focus = keyed(shown.diagnosis.findings).get(finding)
        chart = loss_chart(shown.run, shown.signals, shown.diagnosis, window=window, focus=focus, log_y=log_y)
        kept = st.session_state[_CHART] = _Drawn(key, shown.diagnosis, chart)
    return kept.chart


def _sections(run_id: str) -> None:
    if (shown := _current(run_id)) is not None:
        run_sections.show(shown)


def _current(run_id: str) -> Snapshot | None:
    """The run as it is now; None where it cannot be read, which the verdict says."""
    _follow_the_view()
    try:
        return _snapshot(run_id, patience_s=0.0)
    except TrainvitalsError:
        return None


def _snapshot(run_id: str, **patience: float) -> Snapshot:
    """The run as it is now; while paused, as it was when it was looked at first."""
    if not live.PAUSED.get():
        st.session_state.pop(_HELD, None)
        return shared.open_runs().snapshot(run_id, **patience)
    held: Snapshot | None = st.session_state.get(_HELD)
    if held is None or held.run.id != run_id:
        held = st.session_state[_HELD] = shared.open_runs().snapshot(run_id, **patience)
    return held


def _follow_the_view() -> None:
    """When one part of the page has changed what is looked at, draw the others, too."""
    if st.session_state.get(_DRAWN) != _view():
        st.rerun()


def _view() -> object:
    return address.RUN.get(), address.STEPS.get(), address.FINDING.get(), LOG_LOSS.get()
