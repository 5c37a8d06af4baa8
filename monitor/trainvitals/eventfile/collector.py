"""Gathers what the records of one poll hold, and puts it back into file order."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainvitals.eventfile.assembly import assembled, without_tags
from trainvitals.eventfile.columns import EventColumns, HistogramColumns, SessionStart, Text
from trainvitals.eventfile.event import Histogram, HyperParameters, LocatedHistogram, Matrix, Scalar, Strings
from trainvitals.eventfile.histogram import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainvitals.eventfile.assembly import Chunk, FirstRow, Piece, Row
    from trainvitals.eventfile.event import Event
    from trainvitals.eventfile.problems import ProblemLedger
    from trainvitals.eventfile.tag_dictionary import TagDictionary


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
        self.rows: list[Row] = []
        self._tensor_rows: list[int] = []
        self._narrow = True
        self._pieces: list[Piece] = []
        self._starts: list[tuple[int, int, float]] = []
        self._histograms: list[_HistogramRow] = []
        self._strings: list[tuple[int, int, int, Strings]] = []
        self._settings: list[tuple[int, HyperParameters]] = []

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
                self._settings.append((record, content))
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
        chunk, first_row = assembled(self._pieces, self.rows, len(offsets), rows_are_narrow=self._narrow)
        self._note_problems(chunk, first_row, offsets)
        self._take_starts(first_row)
        self._take_histograms(first_row)
        self._take_texts()
        self._take_settings()
        if len(chunk.step):
            columns: tuple[NDArray[Any], ...] = chunk
            for parts, column in zip(self._columns, columns, strict=True):
                parts.append(column)
            self._count += len(chunk.step)
        self._begin_window()

    def columns(self, *, replaced: bool) -> EventColumns:
        """Everything that was gathered. Call it once: it gives its memory away."""
        nothing = EventColumns.empty(self._tags.names, histograms=self.decodes_histograms)
        return EventColumns(
            tags=nothing.tags,
            tag_code=_joined(self._columns[0], nothing.tag_code),
            step=_joined(self._columns[1], nothing.step),
            wall_time=_joined(self._columns[2], nothing.wall_time),
            value=_joined(self._columns[3], nothing.value),
            histograms=HistogramColumns.joined([*self._histogram_columns, nothing.histograms]),
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
            kept for piece in self._pieces for kept in (without_tags(piece, excluded) if piece.in_tensor else [piece])
        ]

    def _note_problems(self, chunk: Chunk, first_row: FirstRow, offsets: Sequence[int] | NDArray[np.int64]) -> None:
        with np.errstate(all="ignore"):
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

    def _take_starts(self, first_row: FirstRow) -> None:
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

    def _take_settings(self) -> None:
        for _, settings in sorted(self._settings, key=itemgetter(0)):
            from trainvitals.eventfile.protobuf import decode_hyper_parameters

            self._hyper_parameters |= decode_hyper_parameters(settings.content)

    def _take_histograms(self, first_row: FirstRow) -> None:
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
