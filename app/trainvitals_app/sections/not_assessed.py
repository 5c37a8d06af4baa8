"""What could not be judged, and the line that logs what it takes: each line once, with all that it unlocks."""

from __future__ import annotations

import streamlit as st

from trainvitals.reporters.unlocking import Unlocks, lines_that_unlock
from trainvitals_app import text
from trainvitals_app.sections.shown import Shown

TITLE = "Not judged"
LINE_WIDTH, RULES_WIDTH = 3, 2


def has_signals(shown: Shown) -> bool:
    """Whether there is a rule that could not be judged."""
    return shown.diagnosis is not None and bool(shown.diagnosis.not_assessed)


def section(shown: Shown) -> None:
    """Draw the section: a row for each line."""
    if shown.diagnosis is None:
        return
    rules = shown.diagnosis.not_assessed
    st.markdown(
        f"**{_count(len(rules), 'rule')} could not be judged:** what they read was not logged. This logs it, for the "
        "rules beside it:"
    )
    with st.container(key="unlocking", gap="xsmall"):
        for unlocks in lines_that_unlock(rules):
            line, names = st.columns([LINE_WIDTH, RULES_WIDTH], vertical_alignment="center")
            line.code(unlocks.how, language="python", wrap_lines=True)
            names.markdown(_rules(unlocks), help=f"logs {', '.join(map(text.markdown, unlocks.missing))}")


def _rules(unlocks: Unlocks) -> str:
    names = " · ".join(text.markdown(rule.name) for rule in unlocks.rules)
    return f":small[**{_count(len(unlocks.rules), 'rule')}** {names}]"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
