"""Everything that one event file has held so far, however often it grew."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainvitals.errors import LogError
from trainvitals.eventfile import EventFileReader
from trainvitals.eventfile.columns import HistogramColumns, SessionStart, Text
from trainvitals.eventfile.pending import Pending, read_pending
from trainvitals.model import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainvitals.eventfile.columns import EventColumns


@dataclass(frozen=True, slots=True, eq=False)
class ScalarRows:
    """Scalars in record order: ``tag_code``, ``step``, ``wall_time`` and ``value`` are ``[N]``."""

    tag_code: NDArray[np.int32]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.floating[Any]]

    def __len__(self) -> int:
        return len(self.step)

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> ScalarRows:
        """The rows that ``index`` selects."""
        return ScalarRows(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[ScalarRows]) -> ScalarRows:
        """The rows of all parts in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class EventStream:
    """One event file of a run.

    Args:
        prefix: the subfolder it lies in, ``""`` for the run's own folder.
        path: the file.
        where: how to name it to a person.
        histograms: as for ``EventFileReader``.
    """

    def __init__(self, prefix: str, path: Path, where: str, histograms: Literal["decode", "locate"]) -> None:
        self.prefix = prefix
        self.where = where
        self._reader = EventFileReader(path, histograms=histograms)
        self._unreadable: LogError | None = None
        self._forget()

    def _forget(self) -> None:
        self._tags_written: tuple[str, ...] = ()
        self._pending = Pending()
        self.starts: list[SessionStart] = []
        self.texts: list[Text] = []
        self.hyper_parameters: dict[str, float | str | bool] = {}
        self._scalars: list[ScalarRows] = []
        self._histograms: list[HistogramColumns] = []
        self._rows_read = 0

    def poll(self) -> bool:
        """Read what has appeared in the file; whether anything has changed, be it its readability."""
        was_unreadable = self._unreadable is not None
        problems, pending = self._reader.problems, self._pending
        # First: what is pending now may be in the file by the time when that is read, never the other way round.
        new_pending = read_pending(self._reader.path)
        try:
            columns = self._reader.poll()
        except LogError as error:
            self._unreadable = error
            return not was_unreadable
        self._unreadable = None
        if columns.replaced:
            self._forget()
        self._take(columns)
        self._pending = self._still_pending(new_pending)
        return bool(
            was_unreadable
            or self._pending != pending
            or columns.replaced
            or len(columns)
            or len(columns.histograms)
            or columns.session_starts
            or columns.texts
            or columns.hyper_parameters
            or self._reader.problems != problems
        )

    def _take(self, columns: EventColumns) -> None:
        before = self._rows_read
        self._tags_written = columns.tags
        self.starts += [start._replace(row=before + start.row) for start in columns.session_starts]
        self.texts += columns.texts
        self.hyper_parameters |= columns.hyper_parameters
        if len(columns.histograms):
            self._histograms.append(_moved(columns.histograms, before))
        if len(columns) or not self._scalars:
            self._scalars.append(ScalarRows(columns.tag_code, columns.step, columns.wall_time, columns.value))
        self._rows_read += len(columns)

    @property
    def unreadable(self) -> LogError | None:
        """Why the file could not be read the last time; what was read before is kept."""
        return self._unreadable

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the file."""
        name = self._reader.path.name
        found = [
            Problem(problem.kind, problem.where.replace(name, self.where, 1), problem.text, problem.count)
            for problem in self._reader.problems
        ]
        if self._unreadable is not None:
            found.append(Problem("unreadable-file", self.where, self._unreadable.what))
        return tuple(found)

    @property
    def order(self) -> tuple[float, str]:
        """Files of a run are read in this order: by their first wall time, then by name."""
        first = self._reader.first_wall_time
        return (np.inf if first is None or not np.isfinite(first) else first), self.where

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the file, by their codes, and behind them those that only pending scalars have."""
        return (*self._tags_written, *(tag for tag in self._pending.tags if tag not in self._tags_written))

    @property
    def scalars(self) -> ScalarRows:
        """All scalars so far, their tag codes indices into ``tags``; last those that are still to be written."""
        written = self._written()
        if not self._pending.rows:
            return written
        code_of = {tag: code for code, tag in enumerate(self.tags)}
        codes = [code_of[tag] for tag in self._pending.tags]
        points = [
            (code, step, wall_time, value)
            for step, wall_time, values in self._pending.rows
            for code, value in zip(codes, values, strict=True)
        ]
        code, step, wall_time, value = zip(*points, strict=True)
        with np.errstate(over="ignore"):
            narrow = np.array(value, np.float32)
        columns = (np.array(code, np.int32), np.array(step, np.int64), np.array(wall_time, np.float64), narrow)
        return ScalarRows.joined([written, ScalarRows(*columns)])

    def _written(self) -> ScalarRows:
        if not self._scalars:
            return ScalarRows(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32))
        self._scalars = [ScalarRows.joined(self._scalars)]
        return self._scalars[0]

    def _still_pending(self, pending: Pending) -> Pending:
        """Without the rows that are in the file already: a record there has their step and their time."""
        if not pending.rows:
            return Pending()
        written = self._written()
        recent = written.wall_time >= min(wall_time for _, wall_time, _ in pending.rows)
        there = set(zip(written.step[recent].tolist(), written.wall_time[recent].tolist(), strict=True))
        return Pending(pending.tags, tuple(row for row in pending.rows if row[:2] not in there))

    @property
    def histograms(self) -> HistogramColumns | None:
        """All histograms so far, with the rows counted from the first scalar of the file; None without any."""
        if len(self._histograms) > 1:
            self._histograms = [HistogramColumns.joined(self._histograms)]
        return self._histograms[0] if self._histograms else None


def _moved(histograms: HistogramColumns, rows: int) -> HistogramColumns:
    return HistogramColumns(
        histograms.tag_code,
        histograms.step,
        histograms.wall_time,
        histograms.offset,
        histograms.row + rows,
        histograms.statistics,
    )
