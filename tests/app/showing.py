"""The whole app in this process, without a browser and without processes that judge."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from tests.app.logs import PATIENCE_S, HereAndNow

from trainvitals_app import shared

ROOT = Path(__file__).resolve().parents[2]


def start(monkeypatch: pytest.MonkeyPatch, *paths: Path, **query: str | list[str]) -> AppTest:
    """The app on these paths, its verdicts all there, before the page is drawn for the first time."""
    shared.let_go()
    st.cache_resource.clear()
    monkeypatch.setattr(shared, "Pool", lambda _kept: HereAndNow())
    monkeypatch.setattr(sys, "argv", ["main.py", *map(str, paths)])
    assert shared.catalogue().wait(PATIENCE_S)
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=PATIENCE_S)
    for name, value in query.items():
        at.query_params[name] = value
    return at


def said(at: AppTest) -> str:
    """All text of the page."""
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.text]
    return "\n".join(part.value for part in parts)
