"""What steps that nobody waits for leave beside the event file, until something else is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainvitals.eventfile.few import are_few
from trainvitals.eventfile.pending import PendingScalars

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainvitals.eventfile.pending import Row


class Held:
    """The pending scalars of the event file that is being written, where it can have any.

    Attributes:
        take: keeps the scalars of a step, if it says so.
    """

    def __init__(self) -> None:
        self.take = _take_nothing
        self._of: Path | None = None
        self._pending: PendingScalars | None = None

    def rows(self) -> list[Row]:
        """What is held. It is to be written before anything else is."""
        return [] if self._pending is None else self._pending.rows()

    def begin(self, event_file: Path, tags: tuple[str, ...]) -> None:
        """What was held is written. Hold such scalars from now on, if they are few and there is a place for them."""
        if event_file != self._of:
            self.close()
            self._of = event_file
            try:
                self._pending = PendingScalars(event_file)
            except OSError:
                # Each step is written on its own then, which takes longer and is as good.
                return
            self.take = self._pending.take
        if self._pending is not None and are_few(tags):
            self._pending.begin(tags)

    def go_on(self) -> None:
        """What was held is written."""
        if self._pending is not None:
            self._pending.go_on()

    def pause(self) -> None:
        """What was held is written. Hold nothing until ``begin``."""
        if self._pending is not None:
            self._pending.pause()

    def close(self) -> None:
        """What was held is written, or lost."""
        self.take = _take_nothing
        pending, self._pending, self._of = self._pending, None, None
        if pending is not None:
            pending.close()


def _take_nothing(_step: int, _wall_time: float, _values: Mapping[str, float], /) -> bool:
    return False
