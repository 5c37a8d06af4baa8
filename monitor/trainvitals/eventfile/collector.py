"""Gathers what the records of one poll hold, and puts it back into file order."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainvitals.eventfile.columns import EventColumns, HistogramColumns, SessionStart, Text
from trainvitals.eventfile.event import Histogram, HyperParameters, LocatedHistogram, Matrix, Scalar, Strings
from trainvitals.eventfile.histogram import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trainvitals.eventfile.event import Event
    from trainvitals.eventfile.problems import ProblemLedger
    from trainvitals.eventfile.tag_dictionary import TagDictionary

    # For each of some record numbers, how many scalars of the window stand before that record.
    _FirstRow = Callable[[NDArray[np.int64]], NDArray[np.int64]]


class Piece(NamedTuple):
    """Scalars of ``n`` records that look alike, with ``m`` scalars each.

    Args:
        record: ``[n]`` number of each record in its window, ascending; step, wall_time: ``[n]``.
        code: ``[n, 1]`` or ``[1, m]``; value: ``[n, m]``, float32 or float64.
        in_tensor: whether these are tensors, which are scalars only if their plugin does not say otherwise.
    """

    record: NDArray[np.int64]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    code: NDArray[np.int32]
    value: NDArray[np.floating[Any]]
    in_tensor: bool

    def take(self, row: NDArray[np.bool_]) -> Piece:
        """The records that ``row`` selects."""
        code = self.code[row] if len(self.code) > 1 or len(row) == 1 else self.code
        return Piece(self.record[row], self.step[row], self.wall_time[row], code, self.value[row], self.in_tensor)


class _Chunk(NamedTuple):
    """The scalars of one window in file order."""

    code: NDArray[np.int32]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.floating[Any]]


_EMPTY = _Chunk(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32))


class _HistogramRow(NamedTuple):
    record: int
    code: int
    step: int
    wall_time: float
    offset: int
    content: Histogram | LocatedHistogram | Matrix


class Collector:
    """The contents of one poll, window by window.

    Args:
        tags: the reader's tags.
        problems: the reader's ledger.
        decode_histograms: whether to compute statistics.
    """

    def __init__(self, tags: TagDictionary, problems: ProblemLedger, *, decode_histograms: bool) -> None:
        self._tags = tags
        self._problems = problems
        self.decodes_histograms = decode_histograms
        self._begin_window()
        self._columns: tuple[list[NDArray[Any]], ...] = ([], [], [], [])
        self._count = 0
        self._session_starts: list[SessionStart] = []
        self._histogram_columns: list[HistogramColumns] = []
        self._texts: list[Text] = []
        self._hyper_parameters: dict[str, float | str | bool] = {}
        self._file_version: str | None = None

    def _begin_window(self) -> None:
        # A row is (record, code, step, wall time, value).
        self.rows: list[tuple[int, int, int, float, float]] = []
        self._tensor_rows: list[int] = []
        self._narrow = True
        self._pieces: list[Piece] = []
        self._starts: list[tuple[int, int, float]] = []
        self._histograms: list[_HistogramRow] = []
        self._strings: list[tuple[int, int, int, Strings]] = []

    def add_piece(self, piece: Piece) -> None:
        """Scalars of many records at once."""
        self._pieces.append(piece)

    def add_event(self, event: Event, record: int, offset: int) -> None:
        """One event, record number ``record`` of the window, which begins at byte ``offset`` of the file.

        Raises:
            Unsupported: a tag is not UTF-8; nothing was taken then.
        """
        codes = self._tags.codes(value.tag for value in event.values)
        step, wall_time = event.step, event.wall_time
        if event.session_start:
            self._starts.append((record, step, wall_time))
        if event.file_version is not None:
            self._file_version = event.file_version
        scalar_codes = []
        for code, (_, plugin, content) in zip(codes, event.values, strict=True):
            if plugin is not None:
                self._tags.note_tensor(code, record, plugin)
            if isinstance(content, Scalar):
                if content.in_tensor:
                    self._tensor_rows.append(len(self.rows))
                self._narrow &= content.narrow
                self.rows.append((record, code, step, wall_time, content.value))
                scalar_codes.append(code)
            elif isinstance(content, Histogram | LocatedHistogram | Matrix):
                self._histograms.append(_HistogramRow(record, code, step, wall_time, offset, content))
            elif isinstance(content, Strings):
                self._strings.append((record, code, step, content))
            elif isinstance(content, HyperParameters):
                from trainvitals.eventfile.protobuf import decode_hyper_parameters

                self._hyper_parameters |= decode_hyper_parameters(content.content)
        if len(set(scalar_codes)) < len(scalar_codes):
            self._problems.add("duplicate-tag", offset, len(scalar_codes) - len(set(scalar_codes)))

    def finish_window(self, offsets: Sequence[int] | NDArray[np.int64]) -> None:
        """All records of the window were added.

        Args:
            offsets: where each of them begins in the file.
        """
        self._tags.settle()
        self._drop_other_plugins()
        self.rows.sort(key=itemgetter(0))
        chunk, first_row = self._assembled(len(offsets)) if self._pieces else self._from_rows()
        self._note_problems(chunk, first_row, offsets)
        self._take_starts(first_row)
        self._take_histograms(first_row)
        self._take_texts()
        if len(chunk.step):
            columns: tuple[NDArray[Any], ...] = chunk
            for parts, column in zip(self._columns, columns, strict=True):
                parts.append(column)
            self._count += len(chunk.step)
        self._begin_window()

    def columns(self, *, replaced: bool) -> EventColumns:
        """Everything that was gathered. Call it once: it gives its memory away."""
        nothing = EventColumns.empty(self._tags.names, histograms=self.decodes_histograms)
        histograms = self._histogram_columns
        return EventColumns(
            tags=nothing.tags,
            tag_code=_joined(self._columns[0], nothing.tag_code),
            step=_joined(self._columns[1], nothing.step),
            wall_time=_joined(self._columns[2], nothing.wall_time),
            value=_joined(self._columns[3], nothing.value),
            histograms=HistogramColumns.joined(self._histogram_columns)
            if self._histogram_columns
            else nothing.histograms,
            session_starts=tuple(self._session_starts),
            texts=tuple(self._texts),
            hyper_parameters=self._hyper_parameters,
            file_version=self._file_version,
            replaced=replaced,
        )

    @property
    def has_values(self) -> bool:
        """Whether anything at all was gathered that a person may want to see."""
        return bool(self._count or self._histogram_columns or self._texts or self._hyper_parameters)

    def _drop_other_plugins(self) -> None:
        """Single numbers of plugins that record something else are no scalars."""
        excluded = self._tags.without_scalars()
        if not excluded:
            return
        dropped = {index for index in self._tensor_rows if self.rows[index][1] in excluded}
        self.rows = [row for index, row in enumerate(self.rows) if index not in dropped]
        self._pieces = [
            kept for piece in self._pieces for kept in (_without(piece, excluded) if piece.in_tensor else [piece])
        ]

    def _from_rows(self) -> tuple[_Chunk, _FirstRow]:
        """The scalars of records that were decoded one by one, and how many stand before a record."""
        if not self.rows:
            return _EMPTY, np.zeros_like
        record, code, step, wall_time, value = zip(*self.rows, strict=True)
        records = np.array(record)
        chunk = _Chunk(
            np.array(code, np.int32),
            np.array(step, np.int64),
            np.array(wall_time, np.float64),
            _narrowed(np.array(value, np.float64), certainly=self._narrow),
        )
        return chunk, lambda wanted: np.searchsorted(records, wanted)

    def _assembled(self, records: int) -> tuple[_Chunk, _FirstRow]:
        """The same for pieces and single records together."""
        single, rank_of = self._from_rows()
        record_of_row = np.array([row[0] for row in self.rows], np.int64)
        counts = np.bincount(record_of_row, minlength=records)
        for piece in self._pieces:
            counts[piece.record] = piece.value.shape[1]
        end = np.cumsum(counts)
        first_row = end - counts
        values = [_narrowed(piece.value, certainly=piece.value.dtype == np.float32) for piece in self._pieces]
        total = int(end[-1])
        one_each = total == records and counts.max() == 1
        chunk = _Chunk(
            np.empty(total, np.int32),
            np.empty(total, np.int64),
            np.empty(total, np.float64),
            np.empty(total, np.result_type(single.value, *values)),
        )
        row = np.arange(len(record_of_row))
        _put(chunk, first_row[record_of_row] + row - rank_of(record_of_row), single)
        for piece, value in zip(self._pieces, values, strict=True):
            at = piece.record if one_each else first_row[piece.record]
            if value.shape[1] > 1:
                at = at[:, None] + np.arange(value.shape[1])
                _put(chunk, at, _Chunk(piece.code, piece.step[:, None], piece.wall_time[:, None], value))
            else:
                _put(chunk, at, _Chunk(piece.code[:, 0], piece.step, piece.wall_time, value[:, 0]))
        return chunk, first_row.take

    def _note_problems(self, chunk: _Chunk, first_row: _FirstRow, offsets: Sequence[int] | NDArray[np.int64]) -> None:
        if not len(chunk.step) or (chunk.step.min() >= 0 and np.isfinite(chunk.wall_time.sum())):
            return
        for kind, wrong in (
            ("nan-wall-time", ~np.isfinite(chunk.wall_time)),
            ("negative-step", chunk.step < 0),
        ):
            if wrong.any():
                rows_before = first_row(np.arange(len(offsets)))
                record = int(np.searchsorted(rows_before, np.argmax(wrong), "right")) - 1
                self._problems.add(kind, int(offsets[record]), int(wrong.sum()))

    def _take_starts(self, first_row: _FirstRow) -> None:
        self._starts.sort(key=itemgetter(0))
        rows = first_row(np.array([record for record, _, _ in self._starts], np.int64)) + self._count
        self._session_starts += [
            SessionStart(row, step, wall_time)
            for row, (_, step, wall_time) in zip(rows.tolist(), self._starts, strict=True)
        ]

    def _take_texts(self) -> None:
        for _, code, step, strings in sorted(self._strings, key=itemgetter(0)):
            if self._tags.plugin(code) == "text":
                text = "\n".join(element.decode("utf-8", "replace") for element in strings.elements)
                self._texts.append(Text(self._tags.names[code], step, text))

    def _take_histograms(self, first_row: _FirstRow) -> None:
        chosen = sorted(
            (
                histogram
                for histogram in self._histograms
                if not isinstance(histogram.content, Matrix) or self._tags.plugin(histogram.code) == "histograms"
            ),
            key=itemgetter(0),
        )
        if not chosen:
            return
        record, code, step, wall_time, offset, content = zip(*chosen, strict=True)
        self._histogram_columns.append(
            HistogramColumns(
                np.array(code, np.int32),
                np.array(step, np.int64),
                np.array(wall_time, np.float64),
                np.array(offset, np.int64),
                first_row(np.array(record, np.int64)) + self._count,
                summarise(content) if self.decodes_histograms else None,
            )
        )


def _joined(parts: list[NDArray[Any]], nothing: NDArray[Any]) -> NDArray[Any]:
    """One column of all windows. Its parts are given up, so that only one column at a time is held twice."""
    if len(parts) < 2:
        return parts[0] if parts else nothing
    with np.errstate(invalid="ignore"):
        joined = np.concatenate(parts)
    parts.clear()
    return joined


def _put(chunk: _Chunk, at: NDArray[np.int64], scalars: _Chunk) -> None:
    """Writes scalars to their places."""
    chunk.code[at] = scalars.code
    chunk.step[at] = scalars.step
    chunk.wall_time[at] = scalars.wall_time
    # A signalling NaN is a value like any other here.
    with np.errstate(invalid="ignore"):
        chunk.value[at] = scalars.value


def _narrowed(values: NDArray[np.floating[Any]], *, certainly: bool) -> NDArray[np.floating[Any]]:
    """As float32, unless that would lose something."""
    with np.errstate(all="ignore"):
        narrow = values.astype(np.float32, copy=False)
    return narrow if certainly or np.array_equal(narrow, values, equal_nan=True) else values


def _without(piece: Piece, codes: list[int]) -> list[Piece]:
    """The piece without the scalars of these tags."""
    kept = ~np.isin(piece.code, codes)
    if kept.all():
        return [piece]
    if len(piece.code) == 1:
        position = np.flatnonzero(kept[0])
        return [piece._replace(code=piece.code[:, position], value=piece.value[:, position])] if len(position) else []
    return [piece.take(kept[:, 0])]
