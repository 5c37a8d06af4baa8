"""Measurements that take all ranks: norms of sharded parameters, times of each rank."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from torch import Tensor

Arrays = list[NDArray[np.float64]]
Conclude = Callable[[Mapping[int, Arrays]], Named | None]

_HEADER = struct.Struct("<II")
_NUMBER = np.dtype("<f4")
SUBJECTS_KEPT = 64
"""As many as there are lists of tags: one a kind of signal, and more while layers are frozen."""


@dataclass(frozen=True, slots=True)
class SharedReading(Reading):
    """A reading of one rank, of which rank 0 makes one of all ranks.

    Args:
        subject: what was measured, the same on all ranks; parts with different subjects are not put together.
        conclude: from each rank's numbers to tags and values; None where too few ranks answered.
    """

    subject: tuple[str, ...]
    conclude: Conclude


def of_whole_tensors(reading: Reading, subject: tuple[str, ...], ranks: int) -> Reading:
    """Norms of the parts of tensors that each of ``ranks`` holds, as norms of the whole tensors.

    The norm of a whole is the root of the sum of the squares of the norms of its parts.
    """
    if ranks == 1:
        return reading

    def conclude(parts: Mapping[int, Arrays]) -> Named | None:
        if len(parts) < ranks:
            return None
        return reading.finish([np.linalg.norm(same, axis=0) for same in zip(*parts.values(), strict=True)])

    return SharedReading(reading.tensors, reading.finish, subject, conclude)


def of_clipping(share: Tensor, max_norm: float, ranks: int) -> Reading:
    """The norm before clipping, of which each of ``ranks`` knows a share ``[1]``, and whether the limit is below."""

    def finish(arrays: Arrays) -> Named:
        norm = float(arrays[0][0])
        return named({tags.GRADIENT_NORM_BEFORE_CLIPPING: norm, tags.CLIPPED: float(norm > max_norm)})

    reading = Reading([share], finish)
    return of_whole_tensors(reading, (tags.GRADIENT_NORM_BEFORE_CLIPPING,), ranks)


def of_each_rank(number: Tensor, tag: str) -> SharedReading:
    """One number a rank ``[1]``, under one tag a rank."""

    def conclude(parts: Mapping[int, Arrays]) -> Named:
        return named({tags.of_rank(tag, rank): float(arrays[0][0]) for rank, arrays in sorted(parts.items())})

    return SharedReading([number], nothing, (tag,), conclude)


def nothing(_: Arrays) -> Named:
    """What is recorded of a reading that takes several ranks where there is one, or too few answered."""
    return (), np.zeros(0)


def pack(readings: Sequence[SharedReading], arrays: Sequence[Arrays]) -> bytes:
    """The numbers of several readings as one message."""
    message = bytearray()
    for reading, of_reading in zip(readings, arrays, strict=True):
        numbers = np.concatenate([np.zeros(0), *of_reading]).astype(_NUMBER)
        message += _HEADER.pack(_checksum(reading.subject), len(numbers)) + numbers.tobytes()
    return bytes(message)


def unpack(message: bytes) -> dict[int, NDArray[np.float64]]:
    """The numbers in a message, by the checksum of the subject.

    Raises:
        ValueError, struct.error: the message is torn.
    """
    found: dict[int, NDArray[np.float64]] = {}
    place = 0
    while place < len(message):
        checksum, count = _HEADER.unpack_from(message, place)
        place += _HEADER.size
        found[checksum] = np.frombuffer(message, _NUMBER, count, place).astype(np.float64)
        place += count * _NUMBER.itemsize
    return found


def part_of(reading: SharedReading, like: Arrays, message: Mapping[int, NDArray[np.float64]]) -> Arrays | None:
    """What another rank says of this reading, in arrays as long as ``like``; None where it says nothing of it."""
    numbers = message.get(_checksum(reading.subject))
    bounds = np.cumsum([len(array) for array in like])
    if numbers is None or not like or len(numbers) != bounds[-1]:
        return None
    return np.split(numbers, bounds[:-1])


@lru_cache(maxsize=SUBJECTS_KEPT)
def _checksum(subject: tuple[str, ...]) -> int:
    return zlib.crc32("\n".join(subject).encode())
