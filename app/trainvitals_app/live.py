"""How often what is shown is refreshed, and whether it is at all."""

from __future__ import annotations

import time

import streamlit as st

from trainvitals_app import address

SECONDS = ("2", "5", "15", "60")

PAUSED = address.flag("paused")
EVERY_S = address.choice("every", SECONDS, "5")


def refresh_s() -> float | None:
    """For ``st.fragment(run_every=...)``: seconds between two refreshes, None while paused."""
    return None if PAUSED.get() else float(EVERY_S.get())


def bar() -> None:
    """The two controls: pause, and how often."""
    with st.container(key="live-bar", horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.toggle("Pause", help="Leave what is shown as it is.", **address.bound(PAUSED))
        st.selectbox(
            "Refresh",
            options=SECONDS,
            format_func=lambda seconds: f"every {seconds} s",
            label_visibility="collapsed",
            disabled=PAUSED.get(),
            width=130,
            **address.bound(EVERY_S),
        )


def ago(at_s: float) -> str:
    """``12 s ago``.

    Args:
        at_s: when, in seconds since the epoch.
    """
    ago_s = max(0.0, time.time() - at_s)
    if ago_s < 90:
        return f"{ago_s:.0f} s ago"
    if ago_s < 90 * 60:
        return f"{ago_s / 60:.0f} min ago"
    if ago_s < 36 * 3600:
        return f"{ago_s / 3600:.0f} h ago"
    return f"{ago_s / 86400:.0f} days ago"
