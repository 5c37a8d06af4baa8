"""Events that differ only in wall time, step, values and perhaps one tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.assembly import Piece
from trainvitals.eventfile.layout import Content
from trainvitals.eventfile.record import FOOTER_SIZE
from trainvitals.eventfile.tag_index import UNKNOWN

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from trainvitals.eventfile.layout import Layout
    from trainvitals.eventfile.tag_dictionary import TagDictionary
    from trainvitals.eventfile.tag_index import TagIndex

_WORD_SIZE = 8
_VARINT_BITS = 0x7F
_VARINT_CONTINUES = 0x80
# A step of more bytes is negative; its last byte has one bit.
_MOST_STEP_BYTES_IN_A_WORD = 8
# Above this many words rows are compared as a whole, as many at once as stay in the processor's own memory.
_MOST_WORDS_ONE_BY_ONE = 48
_COMPARED_AT_ONCE = 8192


class Template:
    """What one event of scalars tells of all events of the same size that look like it.

    A row is some bytes before the data, the data, and its checksum, in a multiple of eight bytes.

    Args:
        row: ``[W]`` the event that serves as the example.
        data: the part of it that is data.
        layout: that of the data; only scalars, all in tensors or none.
        tags: gives codes.

    Attributes:
        in_tensor: whether the scalars are tensors.
        tag_size: bytes of the only tag, which may differ from row to row; 0 if the tags are those of the example.
        repeated_tags: how many scalars of each event repeat the tag of another one.

    Raises:
        Unsupported: a tag is not UTF-8.
    """

    def __init__(self, row: NDArray[np.uint8], data: bytes, layout: Layout, tags: TagDictionary) -> None:
        data_at = len(row) - FOOTER_SIZE - len(data)
        values = layout.values
        self._wall_time_at = data_at + layout.wall_time_at if layout.wall_time_at >= 0 else None
        self._step_at = data_at + layout.step_at
        self._step_size = layout.step_size
        self._value_at = data_at + np.array([value.at for value in values])
        self._is_double = np.array([value.content is Content.DOUBLE for value in values])
        self.in_tensor = values[0].tensor is not None
        self._plugins = [value.metadata.plugin if value.metadata else "" for value in values]
        self.tag_size = values[0].tag_size if len(values) == 1 else 0
        self._tag_at = data_at + values[0].tag_at
        self._fixed_codes = None
        self.repeated_tags = 0
        if not self.tag_size:
            codes = tags.codes(data[value.tag_at : value.tag_at + value.tag_size] for value in values)
            self._fixed_codes = np.array([codes], np.int32)
            self.repeated_tags = len(codes) - len(set(codes))
        self._tags = tags
        self._compare_with(row, data_at)

    def _compare_with(self, row: NDArray[np.uint8], data_at: int) -> None:
        mask = np.full(len(row), 0xFF, np.uint8)
        mask[:data_at] = mask[-FOOTER_SIZE:] = 0
        if self._wall_time_at is not None:
            mask[self._wall_time_at : self._wall_time_at + 8] = 0
        mask[self._step_at : self._step_at + min(self._step_size, 9)] = _VARINT_CONTINUES
        mask[self._tag_at : self._tag_at + self.tag_size] = 0
        for at, is_double in zip(self._value_at.tolist(), self._is_double.tolist(), strict=True):
            mask[at : at + (8 if is_double else 4)] = 0
        self._mask = mask.view("<u8")
        self._expected = row.view("<u8") & self._mask
        self._compared = np.flatnonzero(self._mask).tolist()

    @property
    def memory(self) -> int:
        """Bytes that this template holds, roughly."""
        return 4 * self._mask.nbytes

    def fits(self, rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """``[n]`` which rows look like the example.

        Args:
            rows: ``[n, W]``, contiguous.
        """
        words = rows.view("<u8")
        if len(self._compared) > _MOST_WORDS_ONE_BY_ONE:
            return self._fit_whole(words)
        differing = np.zeros(len(rows), np.uint64)
        for position in self._compared:
            differing |= (words[:, position] & self._mask[position]) ^ self._expected[position]
        fits: NDArray[np.bool_] = differing == 0
        return fits

    def _fit_whole(self, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
        fits = np.empty(len(words), np.bool_)
        many = max(1, _COMPARED_AT_ONCE // words.shape[1])
        for begin in range(0, len(words), many):
            some = words[begin : begin + many]
            fits[begin : begin + many] = ((some & self._mask) == self._expected).all(axis=1)
        return fits

    def read(self, rows: NDArray[np.uint8], records: NDArray[np.int64], index: TagIndex | None) -> Piece:
        """The scalars of rows that fit. A code is ``UNKNOWN`` where a tag is not UTF-8.

        Args:
            rows: ``[n, W]``, contiguous; records: ``[n]`` their numbers in the window, ascending.
            index: of tags of ``tag_size``, if that is not 0.
        """
        if self._fixed_codes is not None:
            code = self._fixed_codes
            for tag_code, plugin in zip(code[0].tolist(), self._plugins, strict=True) if self.in_tensor else ():
                self._tags.note_tensor(tag_code, int(records[0]), plugin)
        else:
            assert index is not None
            code = index.codes(rows, self._tag_at)[:, None]
            if self.in_tensor:
                known = code[:, 0] != UNKNOWN
                self._tags.note_tensors(code[known, 0], records[known], self._plugins[0])
        return Piece(records, self._steps(rows), self._wall_times(rows), code, self._values(rows), self.in_tensor)

    def _wall_times(self, rows: NDArray[np.uint8]) -> NDArray[np.float64]:
        if self._wall_time_at is None:
            return np.zeros(len(rows))
        return np.ndarray((len(rows),), "<f8", rows, self._wall_time_at, (rows.shape[1],)).copy()

    def _steps(self, rows: NDArray[np.uint8]) -> NDArray[np.int64]:
        steps = np.zeros(len(rows), np.uint64)
        if 0 < self._step_size <= _MOST_STEP_BYTES_IN_A_WORD:
            begin = min(self._step_at, rows.shape[1] - _WORD_SIZE)
            word = np.ndarray((len(rows),), "<u8", rows, begin, (rows.shape[1],)).copy()
            word >>= np.uint64(8 * (self._step_at - begin))
            for i in range(self._step_size):
                # Seven bits of each byte: byte i moves i bits down.
                steps |= (word >> np.uint64(i)) & np.uint64(_VARINT_BITS << 7 * i)
        else:
            for i in range(self._step_size):
                octet = rows[:, self._step_at + i].astype(np.uint64)
                steps |= (octet & np.uint64(_VARINT_BITS)) << np.uint64(7 * i)
        return steps.view(np.int64)

    def _values(self, rows: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
        width = rows.shape[1]
        if not self._is_double.any():
            return _at_each_byte(rows, "<f4")[:, self._value_at]
        values = np.empty((len(rows), len(self._value_at)))
        values[:, self._is_double] = _at_each_byte(rows, "<f8")[:, self._value_at[self._is_double]]
        single = ~self._is_double
        values[:, single] = np.ndarray((len(rows), width - 3), "<f4", rows, 0, (width, 1))[:, self._value_at[single]]
        return values


def _at_each_byte(rows: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """``[n, W - size + 1]``: what stands at each position of each row, read as ``dtype``."""
    count, width = rows.shape
    return np.ndarray((count, width - np.dtype(dtype).itemsize + 1), dtype, rows, 0, (width, 1))
