"""The newest scalars of a run: in mapped memory beside the event file until they are written into it together.

In a training step no cache is warm: one small ``write`` takes 15 to 20 us there, with framing and checksum 50. Stores
into a mapped file take 3 us, and survive the process, however it dies, because its pages are the kernel's.

The file is called as its event file, with ``trainvitals-pending`` in place of ``events.out.tfevents``, by which
TensorBoard would take it for one. All numbers are little-endian:

======  ===========================================================================================================
byte
======  ===========================================================================================================
0       ``TVPEND1`` and a newline
8       float64: the number of the first entry that is not in the event file yet
16      uint32: bytes of the tags; uint32: their CRC-32C
24      the tags, a JSON list in UTF-8
4096    entries, each some float64: step, wall time, the value of each tag, and the number of the entry
======  ===========================================================================================================

The first entry is pending if it has the number of the first, the next one if it has the next number, and so on up to
the first one that has not. The number is stored last, so that a process that dies in between leaves no half an entry;
and raising the number of the first voids all entries at once. Between the write to the event file and that, a process
may die as well: an entry is in the event file already if a record there has its step and its wall time to the bit.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainvitals.eventfile.crc32c import crc32c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELD_S = 1.0
"""A training that goes on holds nothing back for longer; as often as the live diagnosis reads."""
LEAST_FREE_BYTES = 1 << 24
"""Where a disk has less left, every step is written on its own. Some file systems allocate when mapped memory is stored
to, and where there is nothing left to allocate the system kills the process."""

_EVENT_FILE, _PENDING = "events.out.tfevents", "trainvitals-pending"
_MAGIC = b"TVPEND1\n"
_TAGS_INFO = struct.Struct("<II")
_TAGS_INFO_AT, _TAGS_AT, _ENTRIES_AT = 16, 24, 4096
_ITEM = 8
_FIRST = len(_MAGIC) // _ITEM
_ENTRIES_BYTES = 1 << 14
_SIZE = _ENTRIES_AT + _ENTRIES_BYTES
_LARGEST_EXACT = 2**53
_TRIES = 3
# Local ones, on which stores reach other processes at once and no server can be gone.
_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "overlay"})

Row = tuple[int, float, dict[str, float]]


class PendingScalars:
    """The writer's side. For one thread.

    Args:
        event_file: that the entries are for.

    Raises:
        OSError: this file system is not known to keep what is stored to mapped memory, or has no room.
    """

    __slots__ = ("_count", "_end", "_file", "_items", "_map", "_next", "_path", "_place", "_start", "_tags", "_until_s")

    def __init__(self, event_file: Path) -> None:
        if sys.byteorder != "little" or _file_system(event_file.parent) not in _FILE_SYSTEMS:
            raise OSError("no file system for mapped files")
        self._path = pending_path(event_file)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.posix_fallocate(self._file, 0, _SIZE)
            self._map = mmap.mmap(self._file, _SIZE)
        except BaseException:
            os.close(self._file)
            self._path.unlink(missing_ok=True)
            raise
        self._items = memoryview(self._map).cast("d")
        self._tags: tuple[str, ...] = ()
        self._count = 0
        # Numbers begin with one, so that empty entries are not pending.
        self._next = 1.0
        # Where the next entry goes, and from where on there is no room: everywhere as long as nothing is to be taken.
        self._start = self._place = _ENTRIES_AT // _ITEM
        self._end = 0
        self._until_s = -math.inf

    def take(self, step: int, wall_time: float, values: Mapping[str, float]) -> bool:
        """Keep the scalars of a step; whether they could be kept.

        Not where there is no room, where the tags are others than ``begin`` was told, where a value is not finite,
        which somebody may be waiting for, and where the oldest ones have waited for long enough.
        """
        place = self._place
        if place >= self._end or wall_time > self._until_s or len(values) != self._count or step > _LARGEST_EXACT:
            return False
        items = self._items
        items[place] = step
        items[place + 1] = wall_time
        place += 2
        for tag in self._tags:
            value = values.get(tag)
            if value is None or value - value != 0:
                return False
            items[place] = value
            place += 1
        items[place] = self._next
        self._next += 1
        self._place = place + 1
        return True

    def rows(self) -> list[Row]:
        """What is held: step, wall time and values of each entry."""
        items, width = self._items, self._count + 3
        return [
            (int(items[at]), items[at + 1], dict(zip(self._tags, items[at + 2 : at + width - 1], strict=True)))
            for at in range(self._start, self._place, width)
        ]

    def begin(self, tags: tuple[str, ...]) -> None:
        """From now on keep scalars with these tags. What was held is to be written before."""
        self.pause()
        if tags != self._tags and not self._note_tags(tags):
            return
        self._end = self._start + _ENTRIES_BYTES // _ITEM - (self._count + 2)
        self.go_on()

    def go_on(self) -> None:
        """Nothing is pending any more; if scalars were kept so far, they are for a while."""
        self._items[_FIRST] = self._next
        self._place = self._start
        self._until_s = time.time() + HELD_S
        if _free_bytes(self._file) < LEAST_FREE_BYTES:
            self._end = 0

    def pause(self) -> None:
        """Nothing is pending any more, and nothing is kept until ``begin``."""
        self._items[_FIRST] = self._next
        self._place, self._end = self._start, 0

    def close(self) -> None:
        """Remove the file. What it held is to be written before."""
        self._place = self._end = 0
        self._items.release()
        self._map.close()
        os.close(self._file)
        self._path.unlink(missing_ok=True)

    def _note_tags(self, tags: tuple[str, ...]) -> bool:
        text = json.dumps(tags).encode()
        if _TAGS_AT + len(text) > _ENTRIES_AT:
            return False
        self._map[_TAGS_AT : _TAGS_AT + len(text)] = text
        _TAGS_INFO.pack_into(self._map, _TAGS_INFO_AT, len(text), crc32c(text))
        self._map[: len(_MAGIC)] = _MAGIC
        self._tags, self._count = tags, len(tags)
        return True


@dataclass(frozen=True, slots=True)
class Pending:
    """What a file of pending scalars holds.

    Args:
        tags: of all rows. rows: step, wall time, and a value for each tag.
    """

    tags: tuple[str, ...] = ()
    rows: tuple[tuple[int, float, tuple[float, ...]], ...] = ()


def pending_path(event_file: Path) -> Path:
    """Where the pending scalars of an event file lie, if it has any."""
    return event_file.with_name(event_file.name.replace(_EVENT_FILE, _PENDING, 1))


def read_pending(event_file: Path) -> Pending:
    """What was not written into this event file yet. To be read before it, so that nothing falls between the two.

    Nothing where there is no such file, and nothing from the first entry on that is not whole.
    """
    path = pending_path(event_file)
    if path == event_file:
        return Pending()
    data = _steady_bytes(path)
    tags = _tags_of(data)
    return Pending(tags, tuple(_rows_of(data, len(tags)))) if tags else Pending()


def _steady_bytes(path: Path) -> bytes:
    """The file at a moment at which its writer did not begin anew; empty where there is none, as for most."""
    with suppress(OSError), path.open("rb", buffering=0) as file:
        for _ in range(_TRIES):
            data = file.read(_SIZE)
            file.seek(0)
            if data[:_TAGS_AT] == file.read(_TAGS_AT):
                return data
            file.seek(0)
    return b""


def _tags_of(data: bytes) -> tuple[str, ...]:
    if len(data) <= _ENTRIES_AT or not data.startswith(_MAGIC):
        return ()
    size, checksum = _TAGS_INFO.unpack_from(data, _TAGS_INFO_AT)
    text = data[_TAGS_AT : _TAGS_AT + size]
    if _TAGS_AT + size > _ENTRIES_AT or crc32c(text) != checksum:
        return ()
    try:
        tags = json.loads(text)
    except ValueError:
        return ()
    return tuple(tags) if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags) else ()


def _rows_of(data: bytes, count: int) -> Sequence[tuple[int, float, tuple[float, ...]]]:
    (number,) = struct.unpack_from("<d", data, _FIRST * _ITEM)
    entry = struct.Struct(f"<{count + 3}d")
    rows: list[tuple[int, float, tuple[float, ...]]] = []
    if not 1 <= number <= _LARGEST_EXACT:
        return rows
    for at in range(_ENTRIES_AT, len(data) - entry.size + 1, entry.size):
        step, wall_time, *values, own_number = entry.unpack_from(data, at)
        sound = own_number == number and all(map(math.isfinite, (wall_time, *values)))
        if not sound or not 0 <= step <= _LARGEST_EXACT or step != int(step):
            break
        rows.append((int(step), wall_time, tuple(values)))
        number += 1
    return rows


def _free_bytes(file: int) -> int:
    try:
        status = os.fstatvfs(file)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder lies on, ``""`` where that is not known."""
    path, kind, longest = os.path.realpath(folder), "", 0
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            # Four fields, the mount point, some more, a dash, the kind; a space in a name is written \040.
            point = line.split(" ")[4].encode().decode("unicode_escape")
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= longest:
                kind, longest = line.rpartition(" - ")[2].split(" ")[0], len(point)
    return kind
