"""The scalars of one window in file order, from records that were read in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Row = tuple[int, int, int, float, float]
"""One scalar of a record that was decoded alone: record number, tag code, step, wall time, value."""

FirstRow = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""For each of some record numbers, how many scalars of the window stand before that record."""


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


class Chunk(NamedTuple):
    """The scalars of one window in file order."""

    code: NDArray[np.int32]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.floating[Any]]


_EMPTY = Chunk(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32))


def assembled(
    pieces: Sequence[Piece], rows: Sequence[Row], records: int, *, rows_are_narrow: bool
) -> tuple[Chunk, FirstRow]:
    """All scalars of a window of ``records`` records.

    Args:
        pieces: of records that were read side by side, in any order.
        rows: of all others, by ascending record number.
        rows_are_narrow: whether the values of the rows are known to be exact as float32.
    """
    if not pieces:
        return _from_rows(rows, narrow=rows_are_narrow)
    single, rank_of = _from_rows(rows, narrow=rows_are_narrow)
    record_of_row = np.array([row[0] for row in rows], np.int64)
    counts = np.bincount(record_of_row, minlength=records)
    for piece in pieces:
        counts[piece.record] = piece.value.shape[1]
    end = np.cumsum(counts)
    first_row = end - counts
    values = [_narrowed(piece.value, certainly=piece.value.dtype == np.float32) for piece in pieces]
    total = int(end[-1])
    one_each = total == records and counts.max() == 1
    chunk = Chunk(
        np.empty(total, np.int32),
        np.empty(total, np.int64),
        np.empty(total, np.float64),
        np.empty(total, np.result_type(single.value, *values)),
    )
    row = np.arange(len(record_of_row))
    _put(chunk, first_row[record_of_row] + row - rank_of(record_of_row), single)
    for piece, value in zip(pieces, values, strict=True):
        at = piece.record if one_each else first_row[piece.record]
        if value.shape[1] > 1:
            at = at[:, None] + np.arange(value.shape[1])
            _put(chunk, at, Chunk(piece.code, piece.step[:, None], piece.wall_time[:, None], value))
        else:
            _put(chunk, at, Chunk(piece.code[:, 0], piece.step, piece.wall_time, value[:, 0]))
    return chunk, first_row.take


def without_tags(piece: Piece, codes: list[int]) -> list[Piece]:
    """The piece without the scalars of these tags."""
    kept = ~np.isin(piece.code, codes)
    if kept.all():
        return [piece]
    if len(piece.code) == 1:
        position = np.flatnonzero(kept[0])
        return [piece._replace(code=piece.code[:, position], value=piece.value[:, position])] if len(position) else []
    return [piece.take(kept[:, 0])]


def _from_rows(rows: Sequence[Row], *, narrow: bool) -> tuple[Chunk, FirstRow]:
    if not rows:
        return _EMPTY, np.zeros_like
    record, code, step, wall_time, value = zip(*rows, strict=True)
    records = np.array(record)
    chunk = Chunk(
        np.array(code, np.int32),
        np.array(step, np.int64),
        np.array(wall_time, np.float64),
        _narrowed(np.array(value, np.float64), certainly=narrow),
    )
    return chunk, lambda wanted: np.searchsorted(records, wanted)


def _put(chunk: Chunk, at: NDArray[np.int64], scalars: Chunk) -> None:
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
