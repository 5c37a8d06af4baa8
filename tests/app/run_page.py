"""The Run page on runs that are in no file, with what sessions share replaced by something that does as it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from trainvitals import Run, diagnose
from trainvitals.config import Config, load_config
from trainvitals.errors import LogError
from trainvitals.kept import RunSummary
from trainvitals.kept.summary import summarise
from trainvitals.live.changes import Change
from trainvitals.signals import understand
from trainvitals_app import shared
from trainvitals_app.runs.listing import Listing, RunRow
from trainvitals_app.runs.open_runs import Snapshot
from trainvitals_app.serving.roots import Roots

PATIENCE_S = 60


class Here:
    """A catalogue and open runs, by what a test puts in: runs, or why they cannot be read."""

    has_looked = True

    def __init__(self) -> None:
        self.runs: dict[str, Run | LogError] = {}
        self.config = Config()
        self.known_settings: Path | None = None
        """A file whose settings count from when it is there."""
        self.changes: tuple[Change, ...] = ()
        self.trouble: str | None = None
        self.known: dict[str, Snapshot] = {}

    def put(self, run: Run, run_id: str | None = None) -> None:
        run = replace(run, id=run_id or run.id)
        self.runs[run.id] = run

    def wait(self, timeout_s: float) -> bool:
        return True

    def listing(self) -> Listing:
        return Listing(self.rows(), (), 1.0, 1)

    def rows(self) -> tuple[RunRow, ...]:
        return tuple(self._row(run_id, run) for run_id, run in self.runs.items())

    def _row(self, run_id: str, run: Run | LogError) -> RunRow:
        if isinstance(run, LogError):
            return RunRow(run_id, run_id, run_id, "unreadable", trouble=run.message())
        summary: RunSummary = summarise(run, self.snapshot(run_id).diagnosis, grew_at_s=1.0)
        return RunRow(run_id, run.name, run.path, "judged", summary, summary)

    def snapshot(self, run_id: str, *, patience_s: float = 0.0) -> Snapshot:
        run = self.runs.get(run_id)
        if run is None:
            raise LogError("there is no such run here", where=run_id)
        if isinstance(run, LogError):
            raise run
        if self.known_settings is not None and self.known_settings.exists():
            self.config = load_config(self.known_settings)
        key = f"{run_id} {run.points} {self.config}"
        if key not in self.known:
            self.known[key] = Snapshot(run, understand(run), diagnose(run, self.config), (), 1.0, 1)
        return replace(self.known[key], changes=self.changes, trouble=self.trouble)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """What sessions share, for this test alone."""
    here = Here()
    monkeypatch.setattr(shared, "catalogue", lambda: here)
    monkeypatch.setattr(shared, "open_runs", lambda: here)
    monkeypatch.setattr(shared, "roots", lambda: Roots((Path("/logs"),), "given"))
    return here


def script() -> None:
    from trainvitals_app.pages import run

    run.page()


def opened(query: Mapping[str, str] | None = None) -> AppTest:
    """The page at an address, drawn without a traceback."""
    at = AppTest.from_function(script, default_timeout=PATIENCE_S)
    for name, value in (query or {}).items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    """All that is written on the page, as Markdown, without the backslashes that keep text from being obeyed."""
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption, at.code, at.text)
    return "\n".join(str(each.value) for kind in kinds for each in kind).replace("\\", "")


def charts(at: AppTest) -> list[str]:
    """What each chart shows, in words."""
    return [chart.proto.alt for chart in at.get("plotly_chart")]


def button(at: AppTest, key: str):  # type: ignore[no-untyped-def]
    """The button with this key."""
    return next(each for each in at.button if each.key == key)
