"""Accepting a finding with a reason, written into the settings that the command line reads too."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from trainvitals.acceptance import accept, run_pattern
from trainvitals.config import Acceptance, find_config_file
from trainvitals.errors import ConfigError
from trainvitals.model import Diagnosis, Finding
from trainvitals.reporters.visible import visible
from trainvitals_app import text
from trainvitals_app.serving import safety

LONGEST_REASON = 500
PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded")


def show(finding: Finding, diagnosis: Diagnosis, key: str, *, accepted: Callable[[], None]) -> None:
    """Draw the form.

    Args:
        finding: what may be accepted.
        diagnosis: of the run that it was found in.
        key: of the card.
        accepted: called once it is written.
    """
    if is_open_to_others(st.get_option("server.address"), st.context.headers) or safety.is_behind_login():
        st.markdown(
            "Others can reach this server, so nothing is written from here. Accept it where the training runs: an "
            "`[[accept]]` entry in `trainvitals.toml` with `finding` and `reason`."
        )
        return
    folder = Path.cwd()
    try:
        file = find_config_file(folder)
    except ConfigError as error:
        st.error(text.markdown(error.message()), icon=":material/error:")
        return
    where = f"written to {text.code(str(file))}" if file else f"written to a new {text.code('trainvitals.toml')} here"
    with st.form(f"accept-{key}", border=False, enter_to_submit=True):
        reason = st.text_input("Why is it fine?", key=f"reason-{key}", max_chars=LONGEST_REASON)
        everywhere = st.checkbox("In every run, not only in this one", key=f"everywhere-{key}")
        tag = _tag(finding, key)
        pressed = st.form_submit_button("Accept", help="It is then counted, no longer open, and shown with its reason.")
        st.markdown(f":gray[An entry is {where}.]")
    if not pressed:
        return
    run = None if everywhere else run_pattern(diagnosis.path, diagnosis.name)
    try:
        accept(Acceptance(finding.name, reason.strip(), tag, run), folder)
    except ConfigError as error:
        st.error(text.markdown(error.message()), icon=":material/error:")
        return
    accepted()


def is_open_to_others(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether somebody at another machine may be looking.

    Args:
        address: that the server listens on; None is all of them.
        headers: of the request; a proxy in front says so there.
    """
    return address is None or not safety.is_local(address) or any(header in headers for header in PROXY_HEADERS)


def _tag(finding: Finding, key: str) -> str | None:
    """Only for one signal, where the finding rests on several."""
    signals = sorted(finding.signals)
    if len(signals) < 2:
        return None
    chosen = st.selectbox(
        "Only where it rests on",
        signals,
        index=None,
        format_func=visible,
        placeholder="any signal",
        key=f"tag-{key}",
    )
    return None if chosen is None else glob.escape(chosen)
