"""Damage in the files of a run, and rules that broke: what, where, how often."""

from __future__ import annotations

import streamlit as st

from trainvitals.model import Diagnosis
from trainvitals.reporters.visible import visible
from trainvitals_app import text
from trainvitals_app.sections.shown import Shown

TITLE = "Files"

MOST_SHOWN = 200


def has_signals(shown: Shown) -> bool:
    """Whether there is any."""
    return shown.diagnosis is not None and bool(shown.diagnosis.problems)


def section(shown: Shown) -> None:
    """Draw the section."""
    diagnosis = shown.diagnosis
    if diagnosis is None:
        return
    st.markdown(
        f"Read from {text.code(diagnosis.path, longest=120)} as {text.code(diagnosis.format)}. What is listed here "
        "could not be used; everything else was."
    )
    st.dataframe(problem_rows(diagnosis), hide_index=True, key="problems-table")
    if len(diagnosis.problems) > MOST_SHOWN:
        st.caption(f"{len(diagnosis.problems) - MOST_SHOWN:,} more: `trainvitals diagnose --verbose` lists all.")


def problem_rows(diagnosis: Diagnosis) -> list[dict[str, str | int]]:
    """A row for each problem, in the order met."""
    return [
        {
            "problem": visible(problem.kind),
            "what": visible(problem.text, longest=500),
            "where": visible(problem.where, longest=200),
            "times": problem.count,
        }
        for problem in diagnosis.problems[:MOST_SHOWN]
    ]
