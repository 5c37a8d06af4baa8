"""Both ways of reading: few records one by one, many of them side by side."""

from __future__ import annotations

import pytest

from trainvitals.eventfile import groups, lanes, reader


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the file, it is read as large ones are."""
    monkeypatch.setattr(reader, "_SMALL_WINDOW", 0)
    monkeypatch.setattr(groups, "_FEW", 2)
    monkeypatch.setattr(lanes, "_SAMPLE", 4)
    monkeypatch.setattr(lanes, "_RECORDS_A_LANE", 2)


@pytest.fixture(params=["one by one", "side by side"])
def way(request: pytest.FixtureRequest) -> str:
    """Each of both ways in turn."""
    if request.param == "side by side":
        request.getfixturevalue("side_by_side")
    return str(request.param)
