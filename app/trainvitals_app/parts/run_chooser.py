"""Which run the Run page shows."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from trainvitals.model import Status
from trainvitals.reporters.visible import visible
from trainvitals_app import address, shared
from trainvitals_app.runs.listing import RunRow

_CHOOSER = "run-chooser"
_WORST_FIRST = (Status.ERROR, Status.WARNING, Status.UNDETERMINED, Status.HEALTHY)
# For verdicts, so that the worst run is known; at the second start they are there at once.
PATIENCE_S = 2.0


def show() -> None:
    """Draw the chooser. Where the URL names no run, it names the worst one from now on; it may name one that is gone.

    Whoever calls this draws the rest anew when ``address.RUN`` has changed.
    """
    catalogue = shared.catalogue()
    if not address.RUN.get():
        catalogue.wait(PATIENCE_S)
        if rows := catalogue.rows():
            address.RUN.set(worst(rows).id)
    rows = catalogue.rows()
    chosen = address.RUN.get()
    # Labels must not change while a run grows: the browser sends them back as what was chosen.
    run_ids = [row.id for row in rows]
    if chosen and chosen not in run_ids:
        # Gone, or not found yet. Of a list without it the browser would choose another.
        run_ids.append(chosen)
    st.session_state[_CHOOSER] = chosen or None
    st.selectbox(
        "Run",
        run_ids,
        format_func=visible,
        key=_CHOOSER,
        on_change=_changed,
        placeholder="Choose a run; type to search",
        label_visibility="collapsed",
    )


def worst(rows: Sequence[RunRow]) -> RunRow:
    """The run that should be looked at first; as long as there are no verdicts, the first one."""
    return min(rows, key=lambda row: len(_WORST_FIRST) if row.summary is None else _rank(row.summary.diagnosis.status))


def _rank(status: Status) -> int:
    return _WORST_FIRST.index(status)


def _changed() -> None:
    chosen = st.session_state[_CHOOSER]
    if chosen is None:
        # Nobody chose: the browser only lost what it showed, as when its run is gone.
        return
    address.RUN.set(chosen)
    # What was looked at in the other run means nothing in this one.
    address.STEPS.set(None)
    address.FINDING.set("")
