"""What opens, worsens or is resolved in any run of the list while somebody looks at another page than that run's."""

from __future__ import annotations

import streamlit as st

from trainvitals.live.changes import Change
from trainvitals.model import Severity
from trainvitals.reporters import wording
from trainvitals_app import badges, shared, text

# More at once would cover the page; the list shows them all.
MOST_TOLD = 3
_TOLD = "told-until"


def tell() -> None:
    """Let what is new since this session looked last pop up; a note that opens does not."""
    number, changes = shared.catalogue().changes_since(st.session_state.get(_TOLD))
    st.session_state[_TOLD] = number
    worth_telling = [each for each in changes if each.kind == "resolved" or each.finding.severity is not Severity.INFO]
    for change in worth_telling[-MOST_TOLD:]:
        st.toast(_line(change), icon=_icon(change), duration="long")
    if len(worth_telling) > MOST_TOLD:
        st.toast(f"and {len(worth_telling) - MOST_TOLD:,} more changes", icon=":material/list_alt:")


def _line(change: Change) -> str:
    """``exp1: non-finite-loss since step 355 (certain)`` as Markdown."""
    told = {"opened": "", "worsened": "worse: ", "resolved": "resolved: "}[change.kind]
    headline = text.markdown(wording.finding_headline(change.finding))
    return f"**{text.markdown(change.run, longest=48)}**  \n{told}{headline}"


def _icon(change: Change) -> str:
    return ":material/check_circle:" if change.kind == "resolved" else badges.SEVERITY_ICONS[change.finding.severity]
