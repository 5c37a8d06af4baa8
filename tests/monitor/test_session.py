"""Many paths: what fails is told, what is slow shows itself, and a severity decides the exit status."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest
from tests.monitor.reporters.diagnoses import HEALTHY, SICK, SPIKES

from trainvitals import session
from trainvitals.config import Config, FailOn
from trainvitals.errors import LogError
from trainvitals.formats.format import RunFiles
from trainvitals.kept import KeptDiagnoses
from trainvitals.model import Diagnosis
from trainvitals.session import diagnose_paths, exceeds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("step,train_loss\n" + "".join(f"{step},{2 / step}\n" for step in range(1, 60)))
    return path


@pytest.mark.parametrize(
    ("diagnoses", "fail_on", "fails"),
    [
        ([SICK], "never", False),
        ([SICK], "warning", True),
        ([SICK], "error", False),
        ([HEALTHY], "warning", False),
        ([HEALTHY, SICK], "warning", True),
        ([], "warning", False),
    ],
)
def test_a_run_fails_from_the_severity_asked_for(diagnoses: list[Diagnosis], fail_on: FailOn, fails: bool) -> None:
    assert exceeds(diagnoses, fail_on) is fails


def test_a_note_never_fails() -> None:
    from dataclasses import replace

    assert not exceeds([replace(HEALTHY, findings=(SPIKES,))], "warning")


def test_an_unreadable_path_goes_to_the_complaint_and_the_rest_is_diagnosed(log: Path) -> None:
    complaints: list[LogError] = []
    diagnoses = diagnose_paths([str(log), str(log.parent / "nowhere")], Config(), on_error=complaints.append)
    assert len(diagnoses) == 1
    assert len(complaints) == 1
    assert "nowhere" in complaints[0].message()


@pytest.mark.parametrize("takes_long", [False, True])
def test_a_progress_line_shows_only_where_reading_takes_long(
    log: Path, monkeypatch: pytest.MonkeyPatch, takes_long: bool
) -> None:
    judged = session._judged

    def slow(kept: KeptDiagnoses, files: RunFiles, run_id: str) -> Diagnosis | LogError:
        until_s = time.monotonic() + 60
        while takes_long and "runs read" not in terminal.getvalue() and time.monotonic() < until_s:
            time.sleep(0.01)
        return judged(kept, files, run_id)

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(session, "_judged", slow)
    monkeypatch.setattr(session, "SHOW_PROGRESS_AFTER_S", 0.1 if takes_long else 600.0)
    diagnose_paths([str(log)], Config(), on_error=pytest.fail)
    assert ("runs read" in terminal.getvalue()) is takes_long


def test_a_pipe_gets_no_progress_line(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diagnose_paths([str(log)], Config(), on_error=pytest.fail)
    assert capsys.readouterr().err == ""
