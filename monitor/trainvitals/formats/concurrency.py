"""Event files of one run that were written at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.formats.agreed_restarts import TagOrder, order_by_tag
from trainvitals.formats.event_stream import ScalarRows
from trainvitals.model import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainvitals.eventfile.columns import SessionStart


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file of a run. Tag codes are those of the run.

    Args:
        prefix: the subfolder; a START event speaks for its own folder only, whose files count the same steps.
        where: the file, for a person.
        rows: its scalars in record order. tags: the same by tag.
        starts: its START events by row.
    """

    prefix: str
    where: str
    rows: ScalarRows
    tags: TagOrder
    starts: Sequence[SessionStart]

    @classmethod
    def of(cls, prefix: str, where: str, rows: ScalarRows, starts: Sequence[SessionStart]) -> Part:
        """A part with its rows ordered by tag."""
        return cls(prefix, where, rows, order_by_tag(rows.tag_code), starts)


class Concurrency:
    """Which parts were written at the same time with the same tags.

    Args:
        parts: all files of a run in reading order.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._partners: list[set[int]] = [set() for _ in parts]
        spans = sorted((*_span(part.rows.wall_time), position) for position, part in enumerate(parts) if len(part.rows))
        codes = [frozenset(part.tags.code.tolist()) for part in parts]
        for place, (_, end, one) in enumerate(spans):
            for start, _, other in spans[place + 1 :]:
                if not start < end:
                    break
                if not codes[one].isdisjoint(codes[other]):
                    self._partners[one].add(other)
                    self._partners[other].add(one)

    def between(self, one: int, other: int) -> bool:
        """Whether these two parts are concurrent."""
        return other in self._partners[one]

    def with_earlier(self, position: int) -> bool:
        """Whether a part is concurrent with one that is read before it."""
        return any(other < position for other in self._partners[position])

    def groups(self) -> list[list[int]]:
        """All parts; those that are concurrent, directly or through others, stand together."""
        found, seen = [], set[int]()
        for position in range(len(self._partners)):
            if position in seen:
                continue
            group, waiting = {position}, [position]
            while waiting:
                new = self._partners[waiting.pop()] - group
                group |= new
                waiting += new
            seen |= group
            found.append(sorted(group))
        return found

    def contested_codes(self) -> frozenset[int]:
        """The tags that concurrent parts share."""
        shared: set[int] = set()
        for one, partners in enumerate(self._partners):
            for other in partners:
                shared.update(np.intersect1d(self._parts[one].tags.code, self._parts[other].tags.code).tolist())
        return frozenset(shared)

    def problems(self) -> list[Problem]:
        """One for each group of concurrent files."""
        return [
            Problem(
                "concurrent-writers",
                ", ".join(self._parts[position].where for position in group),
                f"{len(group)} files were written at the same time with the same tags; "
                "none replaces another, their points stand in order of time",
                len(group),
            )
            for group in self.groups()
            if len(group) > 1
        ]


def _span(wall_time: NDArray[np.float64]) -> tuple[float, float]:
    finite = wall_time[np.isfinite(wall_time)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (np.inf, -np.inf)


def merged(parts: Sequence[ScalarRows], concurrency: Concurrency) -> ScalarRows:
    """All rows in reading order; those of concurrent files in order of time, each file's own order kept."""
    blocks = []
    for group in concurrency.groups():
        rows = ScalarRows.joined([parts[position] for position in group])
        if len(group) > 1:
            clock = np.concatenate([_running_clock(parts[position].wall_time) for position in group])
            rows = rows.take(np.argsort(clock, kind="stable"))
        blocks.append(rows)
    return ScalarRows.joined(blocks)


def _running_clock(wall_time: NDArray[np.float64]) -> NDArray[np.float64]:
    """The latest time so far: it never goes back, whatever the recording machine's clock did."""
    known = np.where(np.isfinite(wall_time), wall_time, -np.inf)
    return np.maximum.accumulate(known) if len(known) else known
