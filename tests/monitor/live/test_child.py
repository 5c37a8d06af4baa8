"""A child process follows a run that another process writes, and says so in lines of JSON."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from tests.monitor.live.processes import PATIENCE_S, Lines, ended, following, writing

from trainvitals.reporters.json_report import schema

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root / "monitor"))


def test_a_nan_is_told_with_how_the_run_stands_and_the_end_is_a_diagnosis(tmp_path: Path) -> None:
    with ended(following(tmp_path / "run")) as follower:
        lines = Lines(follower)
        with ended(writing(tmp_path / "run", steps=100_000, healthy=300)):
            opened, standing = lines.next(), lines.next()
        assert (opened["kind"], opened["finding"]["name"]) == ("opened", "non-finite-loss")
        assert opened["finding"]["severity"] == "error"
        assert opened["finding"]["summary"] in opened["text"]
        assert "error" in opened["text"]
        assert "\x1b" not in opened["text"]
        assert standing["kind"] == "standing"
        # "at" where the look came when only the first NaN was written.
        assert standing["verdict"].startswith(
            ("sick: non-finite-loss since step 300", "sick: non-finite-loss at step 300")
        )
        assert [finding["name"] for finding in standing["findings"]] == ["non-finite-loss"]
        assert "non-finite-loss" in standing["summary"]
        assert follower.stdin is not None
        follower.stdin.close()
        *_, standing, final = lines.rest()
        assert standing["kind"] == "standing"
        assert final.pop("kind") == "final"
        assert final.pop("cpu_s") > 0
        jsonschema.validate(final, schema())
        assert final["runs"][0]["status"] == "error"
        assert follower.wait(PATIENCE_S) == 0


def test_a_writer_that_is_killed_leaves_a_diagnosis_of_all_it_wrote(tmp_path: Path) -> None:
    with ended(following(tmp_path / "run")) as follower:
        with ended(writing(tmp_path / "run", steps=100_000, healthy=100_000)) as writer:
            while not any(path.stat().st_size > 20_000 for path in tmp_path.glob("run/*")):
                time.sleep(0.1)
            writer.send_signal(signal.SIGKILL)
        assert follower.stdin is not None
        follower.stdin.close()
        *_, final = Lines(follower).rest()
        assert final["runs"][0]["last_step"] > 100
        assert follower.wait(PATIENCE_S) == 0


def test_a_follower_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with ended(writing(tmp_path / "run", steps=10, healthy=10)), ended(following(tmp_path / "run")) as follower:
        while not list(tmp_path.glob("run/*")):
            time.sleep(0.1)
        before = sorted(tmp_path.rglob("*"))
        time.sleep(2)
        follower.kill()
        assert follower.wait(PATIENCE_S) == -signal.SIGKILL
        assert sorted(tmp_path.rglob("*")) == before


def ignores(process_id: int, number: signal.Signals) -> bool:
    """Whether a process has said that this signal is nothing to it."""
    status = Path(f"/proc/{process_id}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="how a process takes a signal cannot be seen here")
def test_control_c_is_left_to_the_parent_and_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    with ended(following(tmp_path)) as follower:
        assert follower.stdin is not None
        until_s = time.monotonic() + PATIENCE_S
        while not ignores(follower.pid, signal.SIGINT):
            assert time.monotonic() < until_s
            time.sleep(0.1)
        follower.send_signal(signal.SIGINT)
        follower.stdin.close()
        assert [line["kind"] for line in Lines(follower).rest()] == ["final"]
        assert follower.wait(PATIENCE_S) == 0
    command = [sys.executable, "-m", "trainvitals.live", str(tmp_path), "--ignore", "platau"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "plateau" in done.stderr


def test_a_closed_stdout_ends_the_child_without_a_word(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m trainvitals.live "{tmp_path}" < /dev/null | true'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=os.environ)
    assert done.stderr == ""


def test_texts_for_a_terminal_have_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    run = tmp_path / "run"
    with ended(writing(run, steps=100_000, healthy=100)), ended(following(run, "--colour")) as follower:
        opened = Lines(follower).next()
    assert "\x1b[31m" in opened["text"]
    assert "\n" not in opened["text"]
