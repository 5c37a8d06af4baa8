"""What the log says of the settings: hyper-parameters and texts. All of it was written by others."""

from __future__ import annotations

import streamlit as st

from trainvitals.model import Run
from trainvitals.reporters.visible import visible
from trainvitals_app.sections.shown import Shown

TITLE = "Settings"

LONGEST_NAME, LONGEST_VALUE, LONGEST_TEXT = 200, 2_000, 20_000
MOST_TEXTS = 20
# A longer text scrolls.
CHARACTERS_SHOWN, TEXT_PX = 400, 240


def has_signals(shown: Shown) -> bool:
    """Whether the log says anything of them."""
    return bool(shown.run.hyper_parameters or shown.run.texts)


def section(shown: Shown) -> None:
    """Draw the section."""
    run = shown.run
    if run.hyper_parameters:
        st.dataframe(setting_rows(run), hide_index=True, key="settings-table")
    for place, (name, text) in enumerate(sorted(run.texts.items())[:MOST_TEXTS]):
        st.text(visible(name, longest=LONGEST_NAME))
        with st.container(key=f"log-text-{place}"):
            is_long = len(text) > CHARACTERS_SHOWN
            st.code(readable(text), None, wrap_lines=True, height=TEXT_PX if is_long else "content")
    if len(run.texts) > MOST_TEXTS:
        st.caption(f"{len(run.texts) - MOST_TEXTS:,} more texts are in the log.")


def setting_rows(run: Run) -> list[dict[str, str]]:
    """A row for each hyper-parameter, by name."""
    return [
        {"setting": visible(name, longest=LONGEST_NAME), "value": visible(str(value), longest=LONGEST_VALUE)}
        for name, value in sorted(run.hyper_parameters.items())
    ]


def readable(text: str) -> str:
    """The text with lines of its own, and nothing in them that is not seen; of a long one the beginning."""
    kept = "\n".join(visible(line) for line in text[:LONGEST_TEXT].splitlines())
    left = len(text) - LONGEST_TEXT
    return kept if left <= 0 else f"{kept}\n… {left:,} more characters"
