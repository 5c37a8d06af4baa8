"""The list of runs at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trainvitals.kept import RunSummary

RowState = Literal["waiting", "judged", "unreadable"]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in the list.

    Args:
        id: by which every page knows it.
        name, path: for a person.
        state: ``waiting`` for its verdict, ``judged``, or ``unreadable``.
        summary: its verdict and values; None unless it is judged.
        values: its last values; also while the verdict is still to come, as soon as it was read. Of what it says in
            that time, the diagnosis is empty.
        trouble: why it cannot be read, or could not be read again.
        version: another one when anything of this has changed.
    """

    id: str
    name: str
    path: str
    state: RowState = "waiting"
    summary: RunSummary | None = None
    values: RunSummary | None = None
    trouble: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """The list at one moment.

    Args:
        rows: in natural order of their paths.
        troubles: what could not be looked into, a line each.
        looked_at_s: when files were looked at last, in seconds since the epoch; NaN before the first time.
        version: another one when anything in the rows or troubles has changed.
    """

    rows: tuple[RunRow, ...] = ()
    troubles: tuple[str, ...] = ()
    looked_at_s: float = math.nan
    version: int = 0

    @property
    def waiting(self) -> int:
        """How many runs have no verdict yet."""
        return sum(row.state == "waiting" for row in self.rows)
