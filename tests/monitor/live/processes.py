"""Processes that tests start, and what they say while they live."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    """Use a process and leave nothing of it."""
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def following(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """``python -m trainvitals.live``, as another program would start it."""
    command = [sys.executable, "-m", "trainvitals.live", *options, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def writing(folder: Path, *, steps: int, healthy: int) -> subprocess.Popen[bytes]:
    """A process that logs a loss every 10 ms, NaN from step ``healthy`` on, and prints when that was."""
    command = [sys.executable, "-c", WRITER, str(folder), str(steps), str(healthy)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def is_alive(process_id: int) -> bool:
    """Whether the process runs; one that ended and waits to be collected does not."""
    stat = Path(f"/proc/{process_id}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
