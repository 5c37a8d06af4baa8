"""Following in a terminal, with a line that is always current; or into a pipe, with lines only."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Self

from rich.console import Console
from rich.text import Text

from trainvitals.live.changes import Change
from trainvitals.live.follower import Follower
from trainvitals.reporters.live_lines import change_text, status_text
from trainvitals.reporters.visible import visible

# More new runs than this at once are counted.
RUNS_NAMED = 3

Pause = Callable[[float], None]


def follow_in_terminal(
    follower: Follower,
    console: Console,
    *,
    interval_s: float,
    until_idle_s: float | None = None,
    pause: Pause = time.sleep,
) -> None:
    """Print what changes until Ctrl-C, or until nothing grew for a while; then read and diagnose all to the end.

    Args:
        follower: what to follow.
        console: where to print.
        interval_s: between two polls.
        until_idle_s: stop when nothing has grown for so long.
        pause: waits so many seconds; for tests.
    """
    news = _News(follower)

    def tell(changes: Sequence[Change]) -> None:
        for line in news.lines():
            console.print(Text(line, style="dim"), soft_wrap=True)
        for change in changes:
            console.print(change_text(change, name_run=len(follower.runs) > 1), soft_wrap=True)

    with _status_line(console) as show, _Interruption() as interruption:
        try:
            while True:
                tell(follower.poll())
                if follower.diagnoses:
                    show(status_text(follower.diagnoses, idle_s=follower.idle_s, left_out=follower.left_out))
                if until_idle_s is not None and follower.idle_s >= until_idle_s:
                    break
                with interruption.welcome():
                    pause(interval_s)
        except KeyboardInterrupt:
            show(Text("reading to the end; Ctrl-C again stops at once"))
        tell(follower.finish())


class _Interruption:
    """Ctrl-C between two polls rather than inside one, which would lose what was being read; the second one at once."""

    def __init__(self) -> None:
        self.is_asked_for = False
        self._is_welcome = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def welcome(self) -> Iterator[None]:
        """Where it may interrupt right away, also if it was asked for before."""
        self._is_welcome = True
        try:
            if self.is_asked_for:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_welcome = False

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        again, self.is_asked_for = self.is_asked_for, True
        if self._is_welcome or again:
            raise KeyboardInterrupt


class _News:
    """What a person should know besides findings, each line once."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._said: set[str] = set()
        self._followed: set[str] = set()

    def lines(self) -> list[str]:
        """What has not been said yet."""
        new = [line for line in (*self._arrivals(), *self._hindrances()) if line not in self._said]
        self._said.update(new)
        return new

    def _arrivals(self) -> Iterator[str]:
        new = [run.id for run in self._follower.runs if run.id not in self._followed]
        self._followed.update(new)
        named = ", ".join(visible(name) for name in new[:RUNS_NAMED])
        more = f" and {len(new) - RUNS_NAMED} more" if len(new) > RUNS_NAMED else ""
        if new:
            yield f"following {named}{more}"

    def _hindrances(self) -> Iterator[str]:
        follower = self._follower
        if follower.missing is not None and not follower.runs:
            yield f"waiting for a run at {visible(str(follower.path))}"
        for run in follower.runs:
            if run.trouble is not None:
                yield f"waiting: {visible(run.trouble.message())}"
        if follower.left_out:
            yield f"too many runs to follow: only the {len(follower.runs)} that were written to last are"


@contextmanager
def _status_line(console: Console) -> Iterator[Callable[[Text], None]]:
    """A line at the bottom of a terminal that can be replaced; nothing where there is no terminal."""
    if not console.is_terminal:
        yield lambda _line: None
        return
    from rich.live import Live

    with Live(Text(""), console=console, auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(line, refresh=True)
