"""A child process follows a run that another process writes, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from trainvitals.live import child
from trainvitals.reporters.json_report import schema

pytestmark = pytest.mark.slow

WRITER = """
import sys, time
from trainvitals.eventfile.writer import EventFileWriter
writer = EventFileWriter(sys.argv[1])
for step in range(int(sys.argv[2])):
    loss = 1.5 + 6 * (step + 10) ** -0.35 if step < int(sys.argv[3]) else float("nan")
    writer.write_scalars(step, {"train/loss": loss})
    if step == int(sys.argv[3]):
        print(time.time(), flush=True)
    time.sleep(0.01)
time.sleep(60)
"""
# Nothing here takes so long on a machine that works at all.
PATIENCE_S = 60.0


class Lines:
    """What a process says, line by line, as long as it lives."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._pass_on, args=(process,), daemon=True).start()

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def next(self) -> dict[str, Any]:
        line = self._lines.get(timeout=PATIENCE_S)
        assert line is not None, "the process ended without another line"
        parsed: dict[str, Any] = json.loads(line)
        return parsed

    def rest(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in iter(lambda: self._lines.get(timeout=PATIENCE_S), None)]


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def write(folder: Path, *, steps: int, healthy: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), str(steps), str(healthy)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root / "monitor"))


def test_a_nan_is_announced_within_five_seconds_and_the_end_is_a_diagnosis(tmp_path: Path) -> None:
    with ended(child.start(tmp_path / "run")) as follower:
        lines = Lines(follower)
        with ended(write(tmp_path / "run", steps=100_000, healthy=1000)) as writer:
            opened = lines.next()
            told_at = time.time()
            assert writer.stdout is not None
            became_nan_at = float(writer.stdout.readline())
        assert (opened["kind"], opened["finding"]["name"]) == ("opened", "non-finite-loss")
        assert opened["finding"]["severity"] == "error"
        assert told_at - became_nan_at < 5
        assert follower.stdin is not None
        follower.stdin.close()
        *_, final = lines.rest()
        assert final.pop("kind") == "final"
        jsonschema.validate(final, schema())
        assert final["runs"][0]["status"] == "error"
        assert follower.wait(PATIENCE_S) == 0


def test_a_writer_that_is_killed_leaves_a_diagnosis_of_all_it_wrote(tmp_path: Path) -> None:
    with ended(child.start(tmp_path / "run")) as follower:
        with ended(write(tmp_path / "run", steps=100_000, healthy=100_000)) as writer:
            while not any(path.stat().st_size > 20_000 for path in tmp_path.glob("run/*")):
                time.sleep(0.1)
            writer.send_signal(signal.SIGKILL)
        assert follower.stdin is not None
        follower.stdin.close()
        *_, final = Lines(follower).rest()
        assert final["runs"][0]["last_step"] > 100
        assert follower.wait(PATIENCE_S) == 0


def test_the_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from trainvitals.live import child; "
        "process = child.start(sys.argv[1]); print(process.pid, flush=True); time.sleep(60)"
    )
    with ended(subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)) as parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        assert is_alive(process_id)
    until = time.monotonic() + PATIENCE_S
    while is_alive(process_id) and time.monotonic() < until:
        time.sleep(0.1)
    assert not is_alive(process_id)


def test_a_follower_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with ended(write(tmp_path / "run", steps=10, healthy=10)), ended(child.start(tmp_path / "run")) as follower:
        while not list(tmp_path.glob("run/*")):
            time.sleep(0.1)
        before = sorted(tmp_path.rglob("*"))
        time.sleep(2)
        follower.kill()
        assert follower.wait(PATIENCE_S) == -signal.SIGKILL
        assert sorted(tmp_path.rglob("*")) == before


def test_control_c_is_left_to_the_parent_and_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    with ended(child.start(tmp_path)) as follower:
        time.sleep(3)
        follower.send_signal(signal.SIGINT)
        assert follower.stdin is not None
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


def is_alive(process_id: int) -> bool:
    """Whether the process runs; one that ended and waits to be collected does not."""
    stat = Path(f"/proc/{process_id}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
