"""Reading an event file from its first byte, and again whenever it has grown."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from trainvitals.errors import LogError
from trainvitals.eventfile.collector import Collector
from trainvitals.eventfile.columns import EventColumns
from trainvitals.eventfile.decoding import decode_event
from trainvitals.eventfile.framing import FRAME_SIZE, Frames, Window, find_record, walk
from trainvitals.eventfile.groups import GroupDecoder
from trainvitals.eventfile.lanes import frames_of
from trainvitals.eventfile.problems import ProblemLedger
from trainvitals.eventfile.protobuf import UnparsableError
from trainvitals.eventfile.record import HEADER_SIZE
from trainvitals.eventfile.records import RecordDecoder
from trainvitals.eventfile.tag_dictionary import TagDictionary

if TYPE_CHECKING:
    from trainvitals.model import Problem

# Bytes that are read at once: large enough for whole-array work on the records of a window, small enough for the
# processor's cache and for memory.
WINDOW_SIZE = 4 << 20
# Below this the fixed cost of whole-array work exceeds that of a loop.
_SMALL_WINDOW = 64 << 10
# Bytes before the place where reading goes on, by which a file is known again: a record's time and checksums.
_FINGERPRINT_SIZE = 64
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
# Records that may come before the first one with a wall time: version, session start, settings.
_RECORDS_WITHOUT_TIME = 16


class _Identity(NamedTuple):
    """What a look at the directory tells; unchanged means that there is nothing to read."""

    device: int
    inode: int
    size: int
    modified_ns: int


class _Pending(NamedTuple):
    """Something wrong at the end of the file that more bytes may mend."""

    kind: str
    position: int
    size: int


class EventFileReader:
    """Reads one TensorBoard event file as columns, and what is appended to it later.

    Every checksum is verified. A record that is not complete yet is left for the next poll; what is damaged is skipped
    and reported, and reading goes on behind it.

    Args:
        path: the file. It is opened at each poll and not kept open.
        histograms: ``decode`` to statistics, or only ``locate`` them.
    """

    def __init__(self, path: str | os.PathLike[str], *, histograms: Literal["decode", "locate"] = "decode") -> None:
        self.path = Path(path)
        self._decode_histograms = histograms == "decode"
        self._tags = TagDictionary()
        self._problems = ProblemLedger()
        self._records = RecordDecoder(self._tags, self._problems)
        self._groups = GroupDecoder(self._tags, self._problems, self._records)
        self._identity: _Identity | None = None
        self._begin()

    def _begin(self) -> None:
        self.offset = 0
        self.first_wall_time: float | None = None
        self._fingerprint = b""
        # Where damage begins whose end was not found yet, and whether all of it so far is zeros.
        self._lost_from: int | None = None
        self._lost_is_zero = False
        self._pending: list[_Pending] = []
        self._has_values = self._has_steps = False
        self._rows = 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong with the file so far, by kind, with counts."""
        ledger = self._problems.copy()
        for kind, position, size in self._pending:
            ledger.add(kind, position, size=size)
        if self._identity and not self._has_values:
            ledger.add("no-values", 0)
        # More values than tags, so that one tag at least has several.
        if self._rows > len(self._tags.names) and not self._has_steps:
            ledger.add("absent-steps", 0, self._rows)
        return ledger.snapshot(self.path.name)

    def poll(self) -> EventColumns:
        """Everything that appeared since the last poll; the whole file at first.

        Raises:
            LogError: the file cannot be opened or read.
        """
        try:
            return self._poll()
        except OSError as error:
            raise LogError(
                f"cannot be read: {error.strerror or error}", where=str(self.path), hint="give a readable event file"
            ) from error

    def _poll(self) -> EventColumns:
        status = self.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise LogError("is no file", where=str(self.path), hint="give an event file")
        identity = _Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if identity == self._identity:
            return EventColumns.empty(self._tags.names, histograms=self._decode_histograms)
        collector = Collector(self._tags, self._problems, decode_histograms=self._decode_histograms)
        file = os.open(self.path, _OPEN_FLAGS)
        before = self.offset, self._lost_from, self._lost_is_zero
        try:
            replaced = not self._is_continued(file, identity.size)
            if replaced:
                self._problems.add("replaced", 0)
                self._begin()
            self._pending = []
            self._read(file, identity.size, collector)
            fingerprint_size = min(_FINGERPRINT_SIZE, self.offset)
            self._fingerprint = _read_at(file, self.offset - fingerprint_size, fingerprint_size)
        except OSError:
            # What was gathered is lost with this call, so the next one reads it again.
            self.offset, self._lost_from, self._lost_is_zero = before
            raise
        finally:
            os.close(file)
        self._identity = identity
        columns = collector.columns(replaced=replaced)
        self._has_values = self._has_values or collector.has_values
        self._rows += len(columns)
        self._has_steps = self._has_steps or bool(columns.step.any())
        return columns

    def _is_continued(self, file: int, size: int) -> bool:
        """Whether this is the file that was read before, as far as it was read."""
        known = len(self._fingerprint)
        return size >= self.offset and _read_at(file, self.offset - known, known) == self._fingerprint

    def _read(self, file: int, file_size: int, collector: Collector) -> None:
        window_size = WINDOW_SIZE
        while self.offset < file_size:
            wanted = min(window_size, file_size - self.offset)
            data = _read_at(file, self.offset, wanted)
            at_end = len(data) < wanted or self.offset + wanted == file_size
            before = self.offset
            self._read_window(Window(data, before, at_end), collector)
            if at_end:
                return
            # A record that is larger than the window needs a larger one.
            window_size = WINDOW_SIZE if self.offset != before else 2 * window_size

    def _read_window(self, window: Window, collector: Collector) -> None:
        """Everything in the window that can be decided; moves ``offset`` on to what cannot."""
        at = 0
        is_small = len(window.data) < _SMALL_WINDOW
        while True:
            if self._lost_from is not None:
                resumed_at = self._find_end_of_damage(window, at)
                if resumed_at is None:
                    return
                at = resumed_at
            found = walk(window, at) if is_small else frames_of(window, at)
            frames = _without_doubtful_end(window, found)
            self._take_records(window, frames, collector)
            self.offset = window.offset + frames.end
            if frames.intact and not self._is_torn_in_the_middle(window, frames.end):
                self._note_tail(window, frames.end)
                return
            self._lose_from(window.offset + frames.end)
            at = frames.end + 1

    def _take_records(self, window: Window, frames: Frames, collector: Collector) -> None:
        if self.first_wall_time is None:
            self.first_wall_time = _first_wall_time(window, frames)
        if isinstance(frames.starts, np.ndarray):
            self._groups.decode(window, frames, collector)
            collector.finish_window(window.offset + frames.starts)
            return
        offsets: list[int] = []
        for start, size in zip(frames.starts, frames.sizes.tolist(), strict=True):
            position = window.offset + start
            data = window.sound_data(start, size)
            if data is None:
                self._problems.add("bad-checksum", position)
            else:
                self._records.decode(data, len(offsets), position, collector)
            offsets.append(position)
        collector.finish_window(offsets)

    def _is_torn_in_the_middle(self, window: Window, at: int) -> bool:
        """Whether an incomplete last record will never be completed, because another one begins inside it."""
        if not window.at_end or len(window.data) - at <= HEADER_SIZE + FRAME_SIZE:
            return False
        found = find_record(window, at + 1)
        return found is not None and found.proven

    def _lose_from(self, position: int) -> None:
        self._lost_from = position
        self._lost_is_zero = True

    def _find_end_of_damage(self, window: Window, at: int) -> int | None:
        """Where records go on; None if not in this window, and then ``offset`` says where to look next."""
        assert self._lost_from is not None
        found = find_record(window, at)
        size = len(window.data)
        searched = found.at if found else size
        if self._lost_is_zero:
            self._lost_is_zero = not window.data[max(0, self._lost_from - window.offset) : searched].strip(b"\0")
        lost_size = window.offset + searched - self._lost_from
        if found and found.proven:
            self._problems.add("gap", self._lost_from, size=lost_size)
            self._lost_from = None
            return found.at
        self.offset = window.offset + (found.at if found else max(at, size - HEADER_SIZE + 1))
        if window.at_end and self._lost_is_zero and not found:
            self._pending.append(_Pending("zero-tail", self._lost_from, lost_size))
            self.offset = self._lost_from
            self._lost_from = None
        elif window.at_end:
            self._pending.append(_Pending("gap", self._lost_from, lost_size))
            if found:
                self._note_tail(window, found.at)
        return None

    def _note_tail(self, window: Window, at: int) -> None:
        """What is left at the end of the file waits for the next poll."""
        rest = window.data[at:]
        if not window.at_end or not rest:
            return
        if not rest.strip(b"\0"):
            kind = "zero-tail"
        elif window.is_complete(at):
            kind = "bad-checksum"
        else:
            kind = "torn-tail"
        self._pending.append(_Pending(kind, window.offset + at, len(rest)))


def _read_at(file: int, position: int, size: int) -> bytes:
    """Up to ``size`` bytes; fewer only if the file ends before."""
    os.lseek(file, position, os.SEEK_SET)
    parts = [os.read(file, size)]
    read = len(parts[0])
    while read < size and parts[-1]:
        parts.append(os.read(file, size - read))
        read += len(parts[-1])
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _first_wall_time(window: Window, frames: Frames) -> float | None:
    """The wall time of the first record that has one; some writers leave it out of the first."""
    for start, size in zip(frames.starts[:_RECORDS_WITHOUT_TIME], frames.sizes.tolist(), strict=False):
        data = window.sound_data(int(start), size)
        if data is None:
            continue
        try:
            wall_time = decode_event(data).wall_time
        except UnparsableError:
            continue
        if math.isfinite(wall_time) and wall_time > 0:
            return wall_time
    return None


def _without_doubtful_end(window: Window, frames: Frames) -> Frames:
    """Without a last record whose data is wrong and which no header follows.

    Before damage, its own length is in doubt: other records may begin inside it. At the end of the file its bytes
    may still be on their way, as on network file systems.
    """
    followed = frames.intact and frames.end + HEADER_SIZE <= len(window.data)
    if followed or not len(frames.starts):
        return frames
    last = int(frames.starts[-1])
    is_sound = window.sound_data(last, frames.end - last - FRAME_SIZE) is not None
    return frames if is_sound else frames.without_last()
