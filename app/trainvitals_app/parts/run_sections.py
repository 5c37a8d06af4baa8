"""What lies below the losses: one section at a time, of those that the run has signals for."""

from __future__ import annotations

import streamlit as st

from trainvitals_app import address
from trainvitals_app.sections import files, layers, not_assessed, progress, settings, system
from trainvitals_app.sections.shown import Shown

# In the order of the buttons, by name in the URL.
SECTIONS = {
    "progress": progress,
    "layers": layers,
    "system": system,
    "not-judged": not_assessed,
    "settings": settings,
    "files": files,
}

SECTION = address.choice("section", SECTIONS, next(iter(SECTIONS)))


def show(shown: Shown) -> None:
    """Draw the buttons and the section that is chosen."""
    names = [name for name, section in SECTIONS.items() if section.has_signals(shown)]
    if not names:
        return
    chosen = st.segmented_control(
        "Section",
        names,
        format_func=lambda name: SECTIONS[name].TITLE,
        label_visibility="collapsed",
        required=True,
        **address.bound(SECTION, shown=lambda name: name if name in names else names[0]),
    )
    if chosen is not None:
        SECTIONS[chosen].section(shown)
