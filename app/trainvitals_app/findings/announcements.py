"""What changed in the findings while somebody looks on: told once as it happens, and kept above the cards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from trainvitals.live.changes import Change
from trainvitals.model import Severity
from trainvitals.reporters.live_lines import change_text
from trainvitals_app import text
from trainvitals_app.badges import SEVERITY_ICONS

MOST_SHOWN = 4
_LOOKING = "looking-on"


@dataclass(slots=True)
class Looking:
    """Since when somebody looks at a run, and until when they were told, in seconds since the epoch."""

    since_s: float
    told_until_s: float


def show(run_id: str, changes: Sequence[Change]) -> None:
    """Draw what changed in a run since it was opened here, the newest first; what is new pops up.

    A note that opens is listed and does not pop up.
    """
    looks: dict[str, Looking] = st.session_state.setdefault(_LOOKING, {})
    now_s = time.time()
    look = looks.setdefault(run_id, Looking(now_s, now_s))
    for change in news(changes, look.told_until_s):
        if change.kind == "resolved" or change.finding.severity is not Severity.INFO:
            st.toast(text.markdown(line(change)), icon=icon(change), duration="long")
        look.told_until_s = change.wall_time
    listed = news(changes, look.since_s)[::-1]
    if listed:
        with st.container(key="announcements", gap="xxsmall"):
            for change in listed[:MOST_SHOWN]:
                st.markdown(f"{icon(change)} :small[:gray[{text.markdown(line(change))}]]")
            if len(listed) > MOST_SHOWN:
                st.markdown(f":gray[and {len(listed) - MOST_SHOWN} earlier changes since you opened this page]")


def news(changes: Sequence[Change], since_s: float) -> list[Change]:
    """What happened after a moment, oldest first."""
    return sorted((change for change in changes if change.wall_time > since_s), key=lambda change: change.wall_time)


def line(change: Change) -> str:
    """The line of ``trainvitals follow``."""
    return " ".join(change_text(change, name_run=False).plain.split())


def icon(change: Change) -> str:
    """Of the severity; of what is over, a tick."""
    return ":material/check_circle:" if change.kind == "resolved" else SEVERITY_ICONS[change.finding.severity]
