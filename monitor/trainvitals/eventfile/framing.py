"""Where the records of an event file begin and end, also where the file is damaged.

Every position found here is exact: the checksum of each header is verified, and each record ends where the next one
begins. What cannot be had so is left to the caller as ``intact=False``.
"""

from __future__ import annotations

import functools
import itertools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainvitals.eventfile.crc32c import crc32c, masked_crc32c
from trainvitals.eventfile.crc32c_rows import mask_array, unmask_array
from trainvitals.eventfile.record import FOOTER_SIZE, HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FRAME_SIZE = HEADER_SIZE + FOOTER_SIZE
# A million tags in one event stay below this. What claims to be larger is taken for damage, so that a hostile length
# cannot ask for all the memory there is.
RECORD_SIZE_LIMIT = 1 << 26

_LENGTH_SIZE = 8
_HEADER = struct.Struct("<QI").unpack_from
_FOOTER = struct.Struct("<I").unpack_from
# The upper half of a record's length.
_UPPER_LENGTH = bytes(4)
# Bytes that are searched at once for a header: usually one stands near.
_FIRST_PIECE, _LARGEST_PIECE = 1 << 10, 1 << 20


class Frames(NamedTuple):
    """Records one behind the other.

    Args:
        starts: ``[R]`` where each record begins; a list if they are few.
        end: where the first byte behind them stands.
        intact: whether what stands there is the end of the bytes or an incomplete record, rather than damage.
    """

    starts: list[int] | NDArray[np.int64]
    end: int
    intact: bool

    @property
    def sizes(self) -> NDArray[np.int64]:
        """``[R]`` bytes of data in each record."""
        ends = np.append(np.asarray(self.starts[1:], np.int64), self.end)
        return ends[: len(self.starts)] - np.asarray(self.starts, np.int64) - FRAME_SIZE

    def without_last(self) -> Frames:
        """All but the last record, which then is what stands behind them."""
        return Frames(self.starts[:-1], int(self.starts[-1]), self.intact)


@dataclass(frozen=True, slots=True)
class Window:
    """Some consecutive bytes of a file.

    Args:
        data: the bytes.
        offset: where they begin in the file.
        at_end: whether the file ends with them.
    """

    data: bytes
    offset: int
    at_end: bool

    def sound_data(self, start: int, size: int) -> bytes | None:
        """The data of a complete record; None if its checksum is another."""
        end = start + HEADER_SIZE + size
        data = self.data[start + HEADER_SIZE : end]
        (stored,) = _FOOTER(self.data, end)
        return data if masked_crc32c(data) == stored else None

    def has_header(self, at: int) -> bool:
        """Whether the header of a record stands here."""
        if at + HEADER_SIZE > len(self.data):
            return False
        size, stored = _HEADER(self.data, at)
        return bool(size < RECORD_SIZE_LIMIT and stored == masked_crc32c(self.data[at : at + _LENGTH_SIZE]))

    def is_complete(self, at: int) -> bool:
        """Whether the record that begins here ends in the window."""
        return self.has_header(at) and at + FRAME_SIZE + _HEADER(self.data, at)[0] <= len(self.data)


# The twelve bytes of headers that were found sound, and the sizes of their records.
_known_headers: dict[bytes, int] = {}
_MOST_KNOWN_HEADERS = 1 << 14


def walk(window: Window, at: int, limit: int | None = None) -> Frames:
    """Record by record from ``at``, at most ``limit`` of them."""
    data = window.data
    known = _known_headers
    starts: list[int] = []
    for _ in itertools.repeat(None) if limit is None else itertools.repeat(None, limit):
        header = data[at : at + HEADER_SIZE]
        size = known.get(header)
        if size is None:
            if not window.has_header(at):
                break
            size = FRAME_SIZE + _HEADER(header)[0]
            if len(known) < _MOST_KNOWN_HEADERS:
                known[header] = size
        starts.append(at)
        at += size
    else:
        header = b""
    if at > len(data):
        return Frames(starts[:-1], starts[-1], intact=True)
    return Frames(starts, at, intact=len(header) < HEADER_SIZE)


class Found(NamedTuple):
    """A record behind damage; ``proven`` if it is complete and its data is sound, or another header follows it."""

    at: int
    proven: bool


def find_record(window: Window, at: int) -> Found | None:
    """The first record at or behind ``at`` that proves itself.

    At the end of the file, a record that cannot prove itself yet counts only if nothing behind it does.
    """
    if window.data.find(_UPPER_LENGTH, at + 4) < 0:
        return None
    waiting = None
    for candidate in _headers(window, at):
        size, _ = _HEADER(window.data, candidate)
        following = candidate + FRAME_SIZE + size
        complete = following <= len(window.data)
        if complete and (window.sound_data(candidate, size) is not None or window.has_header(following)):
            return Found(candidate, proven=True)
        if following + HEADER_SIZE > len(window.data):
            waiting = waiting or Found(candidate, proven=False)
            if not window.at_end:
                break
    return waiting


def _headers(window: Window, at: int) -> Iterator[int]:
    """Every position from ``at`` on where the twelve bytes of a header stand."""
    words = overlapping(window.data, "<u4")
    last = len(window.data) - HEADER_SIZE
    piece = _FIRST_PIECE
    while at <= last:
        stop = min(at + piece, last + 1)
        # No length below the limit has a checksum of zero; without this, long zeros would be one candidate a byte.
        candidates = at + np.flatnonzero((words[at + 4 : stop + 4] == 0) & (words[at + 8 : stop + 8] != 0))
        sizes = words[candidates]
        matching = header_checksums(sizes) == words[candidates + 8]
        yield from candidates[matching & (sizes < RECORD_SIZE_LIMIT)].tolist()
        at, piece = stop, min(2 * piece, _LARGEST_PIECE)


def overlapping(data: bytes, dtype: str) -> NDArray[Any]:
    """What stands at each position of the data, read as ``dtype``."""
    count = len(data) - np.dtype(dtype).itemsize + 1
    return np.ndarray((max(0, count),), dtype, data, 0, (1,))


def header_checksums(sizes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The checksum that belongs to each length, as a header stores it."""
    low, high = _length_tables()
    if not len(sizes) or sizes.max() < len(low):
        return low.take(sizes)
    return mask_array(unmask_array(low.take(sizes & 0xFFFF)) ^ high.take(sizes >> 16))


@functools.cache
def _length_tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Masked checksums of lengths below 2**16; what the upper 16 bits of a length change in a plain checksum."""
    zero = crc32c(bytes(8))
    tables = []
    for shift in (0, 16):
        table = np.zeros(1, np.uint32)
        for bit in range(16):
            change = crc32c(struct.pack("<Q", 1 << shift + bit)) ^ zero
            table = np.concatenate((table, table ^ np.uint32(change)))
        tables.append(table)
    return mask_array(tables[0] ^ np.uint32(zero)), tables[1]
