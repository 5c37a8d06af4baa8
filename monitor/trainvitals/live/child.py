"""Following from a child process, so that a training process shares neither its memory nor its interpreter lock.

The parent calls ``start`` and reads lines of JSON from the child's stdout. Each has a ``kind``:

- ``opened``, ``worsened`` or ``resolved``, with ``run``, ``step``, ``wall_time`` and ``finding`` in the shape of
  ``trainvitals diagnose --format json``;
- ``final``, the last one, with ``schema``, ``version`` and ``runs`` as there. It comes after the parent has closed the
  child's stdin; before, everything that was logged is read and diagnosed once more.

The child ends when its stdin is closed, so it does not outlive its parent, however that dies. It leaves Ctrl-C to its
parent and yields the processor to whatever else runs. Errors are one line on stderr and exit status 2.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from trainvitals.live.follower import Follower
from trainvitals.reporters.json_report import change_line, final_line

# As low as a process of its own can ask for without starving where the machine is busy.
NICENESS = 10


def start(
    folder: str | os.PathLike[str], *, interval_s: float = 1.0, ignore: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Follow a folder in a child process of low priority.

    Read lines from its ``stdout``; close its ``stdin`` to have the final line and the end.

    Args:
        folder: where a run is, or will be.
        interval_s: between two looks for new data.
        ignore: findings that are accepted: names, codes or families.

    Raises:
        OSError: the process cannot be started.
    """
    options = [option for name in ignore for option in ("--ignore", name)]
    # -P keeps the working folder off the import path: a training script's folder may hold a random.py of its own.
    command = [
        sys.executable,
        "-P",
        "-m",
        "trainvitals.live",
        "--interval",
        str(interval_s),
        *options,
        "--",
        str(folder),
    ]
    one_thread = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    # A group of its own: Ctrl-C in the terminal reaches the parent only, also while the child still loads.
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **one_thread}, process_group=0
    )


def serve(follower: Follower, stdin: int, stdout: IO[str], *, interval_s: float) -> None:
    """Write changes as they come until ``stdin`` ends, then the last ones and the final diagnosis.

    Args:
        follower: what to follow.
        stdin: the descriptor whose end is the sign to stop. Not a file object: a thread that waits in one holds its
            lock, which Python needs when it ends.
        stdout: where the lines go.
        interval_s: between two polls.

    Raises:
        BrokenPipeError: nobody reads ``stdout`` any more.
    """
    _yield_to_others()
    over = threading.Event()
    threading.Thread(target=_wait_for_end, args=(stdin, over), daemon=True).start()
    parent = os.getppid()
    while True:
        _write(stdout, [change_line(change) for change in follower.poll()])
        # A pipe stays open as long as any process that was forked from the parent holds it, so the pipe's end is not
        # the only sign of the parent's.
        if over.wait(interval_s) or os.getppid() != parent:
            break
    changes = follower.finish()
    _write(stdout, [*map(change_line, changes), final_line(follower.diagnoses)])


def _yield_to_others() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def _wait_for_end(stdin: int, over: threading.Event) -> None:
    while os.read(stdin, 1):
        pass
    over.set()


def _write(stdout: IO[str], lines: Sequence[str]) -> None:
    stdout.writelines(lines)
    stdout.flush()
