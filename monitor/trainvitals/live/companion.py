"""A child process that follows a run, seen from the training: nothing here waits unless it is told for how long.

The child reads the event files like anybody else, so the training shares neither its memory nor its interpreter lock,
and loads none of what a diagnosis needs. ``child.py`` is the other side, ``reporters/live_json.py`` the lines that come
from there.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from trainvitals.reporters.live_json import Line

# Below whatever else runs. What the child takes altogether is bounded by its share, so this only says how long a look
# may last: at 10, loading took over 20 s on two processors with a dozen processes.
NICENESS = 5
# Of one core, unless told otherwise.
SHARE = 0.1
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
READ_BYTES = 65536
# Of what a child complains about, the end tells what it was.
COMPLAINT_BYTES = 4096
INSTALLED = ("site-packages", "dist-packages")
REFUSED = 2
"""The exit status of a follower that cannot do what it was started for."""
MILLISECONDS = 1000
# A killed process is gone at once, unless it waits for a disk that does not answer.
PATIENCE_WITH_THE_DEAD_S = 1.0


def check_ignored(names: Sequence[str]) -> None:
    """Refuse names of findings that there are not.

    Raises:
        UnknownRuleError: one is neither a rule's name nor its code nor its family.
    """
    from trainvitals.rules.registry import select_rules

    select_rules(names)


class Companion:
    """One child that follows one run.

    Args:
        folder: where the run is, or will be.
        interval_s: between two of its looks for new data.
        ignore: findings that are accepted: names, codes or families.
        share: the part of one core that it may take.
        colour: whether the texts in its lines are for a terminal.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        interval_s: float = 1.0,
        ignore: Sequence[str] = (),
        share: float = SHARE,
        colour: bool = False,
    ) -> None:
        # Not later, where it is used: an import while the interpreter ends makes Python forget that Ctrl-C ended it.
        from trainvitals.reporters.live_json import read_line

        self._read_line = read_line
        command = _command(folder, interval_s=interval_s, ignore=ignore, share=share, colour=colour)
        # A socket rather than a pipe: writing to one whose reader died can be kept from raising SIGPIPE, which would
        # end a training that has set that signal back to its default.
        self._orders, stdin = socket.socketpair()
        try:
            # A group of its own: Ctrl-C in the terminal reaches the parent only, also while the child still loads.
            self._process = subprocess.Popen(
                command,
                stdin=stdin.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=_environment(),
                process_group=0,
            )
        except BaseException:
            self._orders.close()
            raise
        finally:
            stdin.close()
        self._orders.setblocking(False)
        self._outputs = [_stream(self._process.stdout), _stream(self._process.stderr)]
        for output in self._outputs:
            os.set_blocking(output.fileno(), False)
        self._begun = self._complaint = b""
        with contextlib.suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, self._process.pid, max(NICENESS, own))

    @property
    def process_id(self) -> int:
        """The child's."""
        return self._process.pid

    def lines(self) -> list[Line]:
        """What the child has said since the last call. Never waits."""
        self._take_in()
        *complete, self._begun = self._begun.split(b"\n")
        if not complete:
            return []

        return [line for each in complete if (line := self._read_line(each)) is not None]

    def look(self) -> None:
        """Ask for a look right away."""
        self._order("look")

    def take_share(self, share: float) -> None:
        """Let it take this part of one core from now on."""
        self._order(f"share {share:.5f}")

    @property
    def end(self) -> str | None:
        """Why the child has ended, in a line; None while it lives."""
        status = self._process.poll()
        if status is None:
            return None
        self._take_in()
        complaint = self._complaint.decode("utf-8", "replace").strip().splitlines()
        if complaint:
            return complaint[-1].removeprefix("trainvitals: ")
        return _signal_name(-status) if status < 0 else f"exit status {status}"

    @property
    def refused(self) -> bool:
        """Whether it ended because it was asked for something impossible, which it will say again if asked again."""
        return self._process.poll() == REFUSED

    def finish(self, patience_s: float, take: Callable[[Line], None]) -> str | None:
        """Have the child read and diagnose all to the end; its remaining lines go to ``take``.

        Args:
            patience_s: how long to wait for it at most.
            take: called with each line.

        Returns:
            None where the final line has come, else why not. The child has ended either way.
        """
        until_s = time.monotonic() + patience_s
        try:
            with contextlib.suppress(OSError):
                self._orders.shutdown(socket.SHUT_RDWR)
            waiting = select.poll()
            waiting.register(self._outputs[0], select.POLLIN)
            while True:
                # Asked before reading: what a dead one said is all there.
                end = self.end
                for line in self.lines():
                    take(line)
                    if line.kind == "final":
                        return None
                if end is not None:
                    return end
                if time.monotonic() >= until_s:
                    return f"the last diagnosis did not come within {patience_s:.0f} s"
                waiting.poll(max(until_s - time.monotonic(), 0) * MILLISECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_WITH_THE_DEAD_S)
        self.let_go()

    def let_go(self) -> None:
        """Close this process's ends; in a forked process, so that only the parent holds the child."""
        self._orders.close()
        for output in self._outputs:
            output.close()

    def _take_in(self) -> None:
        out, complaint = (_read_all(output.fileno()) for output in self._outputs)
        self._begun += out
        self._complaint = (self._complaint + complaint)[-COMPLAINT_BYTES:]

    def _order(self, words: str) -> None:
        # Without a reader, or with one that does not read, an order is lost; that shows elsewhere.
        with contextlib.suppress(OSError):
            self._orders.send(f"{words}\n".encode(), getattr(socket, "MSG_NOSIGNAL", 0))


def _command(
    folder: str | os.PathLike[str], *, interval_s: float, ignore: Sequence[str], share: float, colour: bool
) -> list[str]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("there is no Python interpreter to start")
    options = [option for name in ignore for option in ("--ignore", name)]
    if colour:
        options.append("--colour")
    # -P keeps the working folder off the import path: a training script's folder may hold a random.py of its own.
    # Nobody would read warnings, and where they are errors they would end the child.
    python = [sys.executable, "-P", "-W", "ignore", "-m", "trainvitals.live"]
    # Said rather than asked for by the child, which may be an orphan before it has loaded.
    options += ["--alone", "--parent", str(os.getpid()), "--interval", str(interval_s), "--share", f"{share:.5f}"]
    return [*python, *options, "--", str(folder)]


def _environment() -> dict[str, str]:
    """The parent's, with one thread for what is only arithmetic, and this package where the parent found it."""
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    home = Path(__file__).absolute().parents[2]
    if home.name not in INSTALLED:
        paths = [path for path in (environment.get("PYTHONPATH"), str(home)) if path]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "asked for as a pipe"
    return stream


def _read_all(descriptor: int) -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(descriptor, READ_BYTES):
            parts.append(part)
    return b"".join(parts)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
