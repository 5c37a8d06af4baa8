"""Runs that pages are tested on, without files, threads or waiting."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from trainvitals import Run, diagnose
from trainvitals.errors import LogError
from trainvitals.signals import understand
from trainvitals_app import shared
from trainvitals_app.runs.listing import Listing, RunRow
from trainvitals_app.runs.open_runs import Snapshot


class ShownRuns:
    """Stands in for what the sessions of a server share.

    Args:
        runs: by their ids; None for one that cannot be read.
    """

    def __init__(self, runs: Mapping[str, Run | None]) -> None:
        self._snapshots = {run_id: None if run is None else _snapshot(run_id, run) for run_id, run in runs.items()}
        self.has_looked = True

    def rows(self) -> tuple[RunRow, ...]:
        return tuple(RunRow(run_id, run_id, run_id) for run_id in self._snapshots)

    def listing(self) -> Listing:
        return Listing(self.rows())

    def snapshot(self, run_id: str, *, patience_s: float = 0.0) -> Snapshot:
        snapshot = self._snapshots.get(run_id)
        if snapshot is None:
            raise LogError("cannot be read", where=run_id, hint="look at it")
        return snapshot

    def grow(self, run_id: str, run: Run) -> None:
        """The run has become this one."""
        before = self._snapshots[run_id]
        assert before is not None
        self._snapshots[run_id] = _snapshot(run_id, run, before.version + 1)


def show(monkeypatch: pytest.MonkeyPatch, runs: Mapping[str, Run | None]) -> ShownRuns:
    """Let pages find these runs and no others."""
    shown = ShownRuns(runs)
    monkeypatch.setattr(shared, "catalogue", lambda: shown)
    monkeypatch.setattr(shared, "open_runs", lambda: shown)
    monkeypatch.setattr(shared, "roots", lambda: SimpleNamespace(paths=()))
    return shown


def _snapshot(run_id: str, run: Run, version: int = 1) -> Snapshot:
    from dataclasses import replace

    named = replace(run, id=run_id)
    return Snapshot(named, understand(named), diagnose(named), (), 1e9, version)
