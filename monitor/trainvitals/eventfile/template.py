"""All scalars of a step as one event whose bytes stay the same from step to step, but for the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trainvitals.eventfile import encode
from trainvitals.eventfile.record import FOOTER_SIZE, HEADER_SIZE, footer, header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

RECORD_SIZE_LIMIT = 1 << 20
"""Bytes of scalars after which a new record begins. Readers keep a whole record in memory, and a record that is torn
or damaged is lost whole; at 1 MiB (some 20,000 scalars) the framing costs 2e-5 of the size."""

# Wall time 9, step 11, summary key and length 6 bytes at most.
_HEAD_SIZE_LIMIT = 26


class ScalarTemplate:
    """The encoded form of a fixed list of tags, with room for their values.

    It owns the buffer that it patches, so one template serves one writer.

    Args:
        tags: in the order in which the values will come.

    Raises:
        ValueError: a tag occurs twice.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tuple(tags)
        if len(set(self.tags)) < len(self.tags):
            repeated = next(tag for position, tag in enumerate(self.tags) if tag in self.tags[:position])
            raise ValueError(f"tag {repeated!r} occurs twice in one template")
        self._parts = [_Part(chunk) for chunk in _chunks([encode.scalar_value(tag) for tag in self.tags])]

    def __len__(self) -> int:
        return len(self.tags)

    def records(self, step: int, wall_time: float, values: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
        """The framed records of one step, each valid until the next one is asked for.

        Args:
            step: from 0 to 2**63 - 1.
            wall_time: seconds since the epoch.
            values: ``[L]``, one for each tag; converted to float32, beyond its range infinite.

        Raises:
            ValueError: not one value for each tag.
        """
        if values.shape != (len(self.tags),):
            raise ValueError(f"{len(self.tags)} tags need as many values, not an array of shape {values.shape}")
        with np.errstate(over="ignore"):
            narrow = values.astype("<f4", copy=False)
        first = 0
        for part in self._parts:
            last = first + len(part.slots)
            yield part.record(step, wall_time, narrow[first:last])
            first = last


class _Part:
    """One record: room for header and event head, the encoded scalars, room for the footer."""

    def __init__(self, scalars: Sequence[bytes]) -> None:
        self._body_start = HEADER_SIZE + _HEAD_SIZE_LIMIT
        self._body_size = sum(map(len, scalars))
        self._body_end = self._body_start + self._body_size
        self._buffer = np.zeros(self._body_end + FOOTER_SIZE, np.uint8)
        self._buffer[self._body_start : self._body_end] = np.frombuffer(b"".join(scalars), np.uint8)
        self._bytes = self._buffer.data
        self._head_size, self._header = 0, b""
        # A float32 view at every byte: the values stand at no multiple of anything.
        self._floats = np.ndarray((len(self._buffer) - 3,), "<f4", self._buffer.data, 0, (1,))
        self.slots = self._body_start + np.cumsum([len(scalar) for scalar in scalars]) - 4

    def record(self, step: int, wall_time: float, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        self._floats[self.slots] = values
        head = encode.summary_head(wall_time, step, self._body_size)
        data_start = self._body_start - len(head)
        if len(head) != self._head_size:
            self._head_size, self._header = len(head), header(self._body_end - data_start)
        start = data_start - HEADER_SIZE
        self._bytes[start : self._body_start] = self._header + head
        self._bytes[self._body_end :] = footer(self._buffer[data_start : self._body_end])
        return self._buffer[start:]


def _chunks(scalars: Sequence[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for scalar in scalars:
        if chunk and size + len(scalar) > RECORD_SIZE_LIMIT:
            yield chunk
            chunk, size = [], 0
        chunk.append(scalar)
        size += len(scalar)
    if chunk:
        yield chunk
