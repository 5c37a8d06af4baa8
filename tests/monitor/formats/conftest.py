"""A clock that goes on by itself."""

from __future__ import annotations

import itertools
import time

import pytest


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock is a second later, from 1000 s on."""
    ticks = itertools.count(1000)
    monkeypatch.setattr(time, "time", lambda: float(next(ticks)))
