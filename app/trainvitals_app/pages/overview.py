"""All runs at a glance: which are sick, why, and since when."""

from __future__ import annotations

import streamlit as st


def page() -> None:
    """Draw the page."""
    st.info("The list of runs is still to be built.")
