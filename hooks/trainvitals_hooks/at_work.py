"""The monitor at work: its time is counted, and what goes wrong is told once and goes no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainvitals_hooks.recording.own_time import OwnTime

if TYPE_CHECKING:
    from types import TracebackType

    from trainvitals_hooks.console import Once


class AtWork:
    """What all parts of one watcher share.

    Attributes:
        own: the time inside the monitor.
        once: tells each thing once.
        closed: the watcher has nothing more to do.
    """

    def __init__(self, once: Once) -> None:
        self.own = OwnTime()
        self.once = once
        self.closed = True

    def inside(self, what: str) -> Inside:
        """For a ``with``: everything in it is the monitor's. Entering says whether the watcher is awake."""
        return Inside(self, what)

    def went_wrong(self, what: str, error: Exception) -> None:
        """Tell what no training should stop for."""
        text = f"{what}: {type(error).__name__}: {error}. The training goes on, a part of the record is lost."
        self.once.tell(what, text)


class Inside:
    """One stay inside the monitor."""

    __slots__ = ("_what", "_work")

    def __init__(self, work: AtWork, what: str) -> None:
        self._work = work
        self._what = what

    def __enter__(self) -> bool:
        self._work.own.enter()
        return not self._work.closed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._work.own.leave()
        if not isinstance(error, Exception):
            return False
        self._work.went_wrong(self._what, error)
        return True
