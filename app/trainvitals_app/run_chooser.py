"""Which run the Run page shows."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from trainvitals.model import Status
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible
from trainvitals_app import address, shared
from trainvitals_app.catalogue import RunRow

_CHOOSER = "run-chooser"
_WORST_FIRST = (Status.ERROR, Status.WARNING, Status.UNDETERMINED, Status.HEALTHY)
LONGEST_NAME = 120


def chosen_run() -> str | None:
    """Draw the chooser; the id of the run that the URL names, else of the worst one. None where there is no run yet.

    The URL may name a run that is not there.
    """
    rows = shared.catalogue().rows()
    wanted = address.RUN.get()
    if not wanted and rows:
        wanted = worst(rows).id
        address.RUN.set(wanted)
    labels = {row.id: label(row) for row in rows}
    st.session_state[_CHOOSER] = wanted if wanted in labels else None
    st.selectbox(
        "Run",
        list(labels),
        format_func=lambda run_id: labels.get(run_id, visible(run_id)),
        key=_CHOOSER,
        on_change=_changed,
        placeholder="Choose a run; type to search",
        label_visibility="collapsed",
    )
    return wanted or None


def worst(rows: Sequence[RunRow]) -> RunRow:
    """The run that should be looked at first; as long as there are no verdicts, the first one."""
    return min(rows, key=lambda row: len(_WORST_FIRST) if row.summary is None else _rank(row.summary.diagnosis.status))


def label(row: RunRow) -> str:
    """The run's id, and how it stands in a word."""
    if row.state == "unreadable":
        state = "unreadable"
    else:
        state = "" if row.summary is None else wording.STATUS_WORDS[row.summary.diagnosis.status]
    return f"{visible(row.id, longest=LONGEST_NAME)}{f'   ·   {state}' if state else ''}"


def _rank(status: Status) -> int:
    return _WORST_FIRST.index(status)


def _changed() -> None:
    address.RUN.set(st.session_state[_CHOOSER] or "")
    # What was looked at in the other run means nothing in this one.
    address.STEPS.set(None)
    address.FINDING.set("")
