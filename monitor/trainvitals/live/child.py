"""Following for another process: what changes goes to stdout as lines of JSON, what to do comes from stdin.

``reporters/live_json.py`` says which lines there are, ``orders.py`` what may be said on stdin. When stdin ends,
everything that was logged is read and diagnosed once more, and the final line is the last one.

The child ends when its stdin does or its parent is gone, however that dies. It leaves Ctrl-C to its parent and yields
the processor to whatever else runs. Errors are one line on stderr and exit status 2.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from typing import IO

from rich.console import Console

from trainvitals.live.changes import Change
from trainvitals.live.companion import NICENESS
from trainvitals.live.followed_run import FollowedRun
from trainvitals.live.follower import Follower
from trainvitals.live.orders import Orders
from trainvitals.reporters.live_json import change_line, final_line, standing_line
from trainvitals.reporters.live_lines import change_text, verdict
from trainvitals.reporters.markdown_summary import markdown_summary


def serve(follower: Follower, stdin: int, stdout: IO[str], *, interval_s: float, colour: bool, parent: int) -> None:
    """Write changes as they come until ``stdin`` ends, then the last ones and the final diagnosis.

    Args:
        follower: what to follow.
        stdin: the descriptor that orders come from, and whose end is the sign to stop.
        stdout: where the lines go.
        interval_s: between two polls.
        colour: whether the texts are for a terminal.
        parent: the process that wants to know. When it is gone, nothing more is said.

    Raises:
        BrokenPipeError: nobody reads ``stdout`` any more.
    """
    _yield_to_others()
    told = _Told(follower, colour=colour)
    orders = Orders(stdin)
    while not orders.is_over:
        _write(stdout, told.lines(follower.poll(in_a_hurry=orders.in_a_hurry)))
        orders.wait(interval_s)
        # Both ends of the line stay open as long as any process that was forked from the parent holds them, so their
        # end is not the only sign of the parent's; and nobody would read what is written now.
        if os.getppid() != parent:
            return
        if orders.share is not None:
            follower.take_share(orders.share)
    changes = follower.finish()
    _write(stdout, told.lines(changes, at_the_end=True))
    _write(stdout, [final_line(follower.diagnoses, cpu_s=time.process_time())])


class _Told:
    """Changes in the words of the protocol."""

    def __init__(self, follower: Follower, *, colour: bool) -> None:
        self._follower = follower
        self._page = io.StringIO()
        self._console = Console(file=self._page, force_terminal=colour, highlight=False, soft_wrap=True)

    def lines(self, changes: Sequence[Change], *, at_the_end: bool = False) -> Iterator[str]:
        changed = {change.run for change in changes}
        for change in changes:
            yield change_line(change, self._text(change))
        for run in self._follower.runs:
            if at_the_end or run.id in changed:
                yield from self._standing(run)

    def _standing(self, run: FollowedRun) -> Iterator[str]:
        diagnosis = run.diagnosis
        if diagnosis is not None:
            summary = markdown_summary(diagnosis, run.findings)
            yield standing_line(diagnosis, run.findings, verdict=verdict(diagnosis), summary=summary)

    def _text(self, change: Change) -> str:
        self._page.seek(0)
        self._page.truncate()
        self._console.print(change_text(change, name_run=len(self._follower.runs) > 1), end="")
        return self._page.getvalue()


def _yield_to_others() -> None:
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def _write(stdout: IO[str], lines: Iterator[str] | Sequence[str]) -> None:
    stdout.writelines(lines)
    stdout.flush()
