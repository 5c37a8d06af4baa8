"""What could not be judged, and the line that logs what it takes: each line once, with all that it unlocks."""

from __future__ import annotations

import streamlit as st

from trainvitals.reporters.unlocking import Unlocks, lines_that_unlock
from trainvitals_app import text
from trainvitals_app.sections.shown import Shown

TITLE = "Not judged"


def has_signals(shown: Shown) -> bool:
    """Whether there is a rule that could not be judged."""
    return shown.diagnosis is not None and bool(shown.diagnosis.not_assessed)


def section(shown: Shown) -> None:
    """Draw the section."""
    if shown.diagnosis is None:
        return
    rules = shown.diagnosis.not_assessed
    lines = lines_that_unlock(rules)
    st.markdown(f"**{_count(len(rules), 'rule')} could not be judged:** what they need was not logged.")
    for place, unlocks in enumerate(lines):
        with st.container(key=f"unlocks-{place}", border=True, gap="xsmall"):
            _line(unlocks)


def _line(unlocks: Unlocks) -> None:
    names = " · ".join(f"{text.markdown(rule.name)} :gray[{text.markdown(rule.code)}]" for rule in unlocks.rules)
    st.code(unlocks.how, language="python", wrap_lines=True)
    st.markdown(f"**lets {_count(len(unlocks.rules), 'rule')} be judged:** {names}")
    st.caption("logs " + ", ".join(text.markdown(signal) for signal in unlocks.missing))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
