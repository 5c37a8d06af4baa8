"""Writing TensorBoard event files, cheaply enough to do it at every step of a training loop."""

from __future__ import annotations

import errno
import functools
import math
import operator
import os
import platform
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import numpy as np

from trainvitals.eventfile import encode
from trainvitals.eventfile.few import FewScalars, are_few
from trainvitals.eventfile.record import framed
from trainvitals.eventfile.template import ScalarTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from trainvitals.eventfile.pending import Row

# A loop logs a handful of tag sets (every step, every epoch, validation); more than this and they are not repeated.
TEMPLATES_KEPT = 32

_open_writers: weakref.WeakSet[EventFileWriter] = weakref.WeakSet()


class EventFileWriter:
    """One event file, written record by record without a buffer: what was written survives a killed process.

    Every method may be called from several threads: a lock keeps records whole, in the order of the calls. After a fork
    the child writes to a new file of its own from its first record on; until then ``path`` still names the parent's.

    Steps are whole numbers from 0 to 2**63 - 1, anything else is a ValueError. Values are stored as float32: NaN and
    infinities as they are, numbers beyond the range of float32 as infinities. All scalars of one call become one event
    (or several, above 1 MiB). The same calls with the same wall times write the same bytes.

    When a write fails, its OSError reaches the caller and the file ends with a part of that one record; the next
    write that succeeds takes its place. A file that was deleted meanwhile is a FileNotFoundError at the next write.

    Args:
        directory: made with its parents if it is absent.
        suffix: appended to the file name.
        resume_step: the run goes on from this step; TensorBoard then drops what it has read of this and later steps.
        look_every_s: seconds after which a write first looks whether the file still exists; what is written between
            two looks to a file that was deleted is lost. 0 looks at every write.

    Raises:
        OSError: the folder or the file cannot be made.
        ValueError: ``resume_step`` is no step, or ``suffix`` would lead out of the folder.
    """

    path: Path

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        suffix: str = "",
        resume_step: int | None = None,
        look_every_s: float = 0.0,
    ) -> None:
        if Path(f"name{suffix}").name != f"name{suffix}":
            raise ValueError(f"suffix {suffix!r} is not part of a file name")
        start_step = None if resume_step is None else _step(resume_step)
        self._directory = Path(directory).absolute()
        self._suffix = suffix
        self._lock = threading.Lock()
        self._closed = False
        self._look_every_s = look_every_s
        self._template = functools.lru_cache(maxsize=TEMPLATES_KEPT)(ScalarTemplate)
        self._few = functools.lru_cache(maxsize=TEMPLATES_KEPT)(_few_or_many)
        self._descriptor: int | None = None
        self._torn = False
        self._open()
        _open_writers.add(self)
        if start_step is not None:
            self._write(encode.session_start(time.time(), start_step))

    def write_scalars(self, step: SupportsIndex, values: Mapping[str, float], wall_time: float | None = None) -> None:
        """One event with all scalars of a step. Cheapest when the same tags come in the same order each time."""
        now = time.time() if wall_time is None else wall_time
        with self._lock:
            tags = tuple(values)
            if (few := self._few(tags)) is None:
                numbers = np.fromiter(values.values(), np.float64, len(values))
                self._write_template(step, self._template(tags), numbers, now)
                return
            if type(step) is not int or not 0 < step <= encode.LARGEST_STEP:
                step = _step(step)
            self._append(few.record(step, now, values))

    def write_rows(self, rows: Sequence[Row]) -> None:
        """As ``write_scalars`` of each row, in one write: all of them or, where it fails, none."""
        with self._lock:
            records = bytearray()
            for step, wall_time, values in rows:
                few = self._few(tuple(values)) or FewScalars(tuple(values))
                records += few.record(_step(step), wall_time, values)
            self._append(records)

    def write_vector(
        self, step: SupportsIndex, template: ScalarTemplate, values: NDArray[Any], wall_time: float | None = None
    ) -> None:
        """As ``write_scalars`` with the tags of ``template`` and ``[L]`` values; for thousands of tags."""
        with self._lock:
            self._write_template(step, template, values, wall_time)

    def write_histogram(
        self,
        step: SupportsIndex,
        tag: str,
        *,
        minimum: float,
        maximum: float,
        count: float,
        total: float,
        sum_of_squares: float,
        bucket_limits: ArrayLike,
        bucket_counts: ArrayLike,
        wall_time: float | None = None,
    ) -> None:
        """One histogram: its moments, and how many values lie at or below each limit and above the one before.

        Raises:
            ValueError: there are no buckets, or not one limit for each count.
        """
        value = encode.histogram_value(
            tag,
            minimum=minimum,
            maximum=maximum,
            count=count,
            total=total,
            sum_of_squares=sum_of_squares,
            bucket_limits=bucket_limits,
            bucket_counts=bucket_counts,
        )
        self._write_value(step, value, wall_time)

    def write_text(self, step: SupportsIndex, tag: str, text: str, wall_time: float | None = None) -> None:
        """One text, which TensorBoard shows as Markdown."""
        self._write_value(step, encode.text_value(tag, text), wall_time)

    def write_hyper_parameters(
        self, values: Mapping[str, float | str | bool | int], wall_time: float | None = None
    ) -> None:
        """The settings of the run, for TensorBoard's hparams page. Other types are written as their ``str``."""
        now = _wall_time(wall_time)
        self._write_value(0, encode.hyper_parameters_value(values, now), now)

    def flush(self) -> None:
        """Nothing is held back, so there is nothing to do; here because users of files expect it."""

    def sync(self) -> None:
        """Wait until the disk has everything, so that it survives a power cut."""
        with self._lock:
            if self._descriptor is not None:
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file. Writing afterwards is a ValueError; closing again does nothing."""
        with self._lock:
            self._closed = True
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", None) is not None:
            self._release()

    def _write_template(
        self, step: SupportsIndex, template: ScalarTemplate, values: NDArray[Any], wall_time: float | None
    ) -> None:
        for record in template.records(_step(step), _wall_time(wall_time), values):
            self._append(record.data)

    def _write_value(self, step: SupportsIndex, value: bytes, wall_time: float | None) -> None:
        self._write(encode.summary_head(_wall_time(wall_time), _step(step), len(value)) + value)

    def _write(self, event: bytes) -> None:
        record = framed(event)
        with self._lock:
            self._append(record)

    def _append(self, record: bytes | bytearray | memoryview) -> None:
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._open()
        if time.monotonic() >= self._look_at_s:
            self._look(descriptor)
        if self._torn:
            os.ftruncate(descriptor, self._size)
        self._torn = True
        written = os.write(descriptor, record)
        if written < len(record):
            _write_all(descriptor, memoryview(record)[written:])
        self._size += len(record)
        self._torn = False

    def _look(self, descriptor: int) -> None:
        if os.fstat(descriptor).st_nlink < self._links:
            raise FileNotFoundError(errno.ENOENT, "the event file was deleted while it was written", str(self.path))
        self._look_at_s = time.monotonic() + self._look_every_s

    def _open(self) -> int:
        if self._closed:
            raise ValueError(f"{self.path}: the event file is closed")
        self._directory.mkdir(parents=True, exist_ok=True)
        opening = memoryview(framed(encode.file_version(time.time())))
        path, descriptor = _create(self._directory, self._suffix)
        try:
            self._size = _write_all(descriptor, opening)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        # Some file systems count no links at all; what matters is that there are fewer than at the start.
        self._links = os.fstat(descriptor).st_nlink
        self._look_at_s = time.monotonic() + self._look_every_s
        self._torn = False
        self.path, self._descriptor = path, descriptor
        return descriptor

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _start_again_in_child(self) -> None:
        self._lock = threading.Lock()
        self._release()


def _release_inherited() -> None:
    for writer in list(_open_writers):
        writer._start_again_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_inherited)


def _few_or_many(tags: tuple[str, ...]) -> FewScalars | None:
    return FewScalars(tags) if are_few(tags) else None


def _create(directory: Path, suffix: str) -> tuple[Path, int]:
    """A new file under a name that no other writer has, however many start in the same second."""
    host = platform.node() or "localhost"
    prefix = f"events.out.tfevents.{int(time.time()):010d}.{host}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
    number = 0
    while True:
        path = directory / f"{prefix}.{number}{suffix}"
        try:
            return path, os.open(path, flags, 0o666)
        except FileExistsError:
            number += 1


def _write_all(descriptor: int, record: memoryview) -> int:
    rest = record
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(record)


def _step(step: SupportsIndex) -> int:
    number = operator.index(step)
    if not 0 <= number <= encode.LARGEST_STEP:
        raise ValueError(f"step {number} is not between 0 and 2**63 - 1")
    return number


def _wall_time(wall_time: float | None) -> float:
    if wall_time is None:
        return time.time()
    if not math.isfinite(wall_time):
        raise ValueError(f"wall time {wall_time} is not finite")
    return float(wall_time)
