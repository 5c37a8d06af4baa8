"""A few scalars of a step as one record: what a loop writes at every step, between work that leaves no cache warm.

There every call and every object costs a microsecond or more. So what stays from step to step, which is all but the
values, the time and seven bits of the step, is put together once for 128 steps.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import google_crc32c

from trainvitals.eventfile import encode
from trainvitals.eventfile.crc32c import COMPILED, crc32c
from trainvitals.eventfile.record import FOOTER_SIZE, framed, header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# More than these are put together faster through arrays, as a template does it.
FEW_SCALARS = 8
SHORT_TAGS = 1024

_BITS_OF_A_DIGIT = 7
_LOW_DIGIT = 0x7F
_MORE = 0x80

# The bytes that announce time and step, and where in an event the rest of the step begins.
_TIME, _STEP = encode.WALL_TIME << 3 | encode.FIXED64, encode.STEP << 3 | encode.VARINT
_BEFORE_MIDDLE = struct.calcsize("<BdBB")

_checksum: Callable[[bytes], int] = google_crc32c.value if COMPILED else crc32c


def are_few(tags: Sequence[str]) -> bool:
    """Whether so many tags are better written this way than through a template."""
    return 0 < len(tags) <= FEW_SCALARS and sum(map(len, tags)) <= SHORT_TAGS


class FewScalars:
    """The records of a fixed list of a few tags.

    Args:
        tags: in the order in which they are written, none of them twice.
    """

    __slots__ = ("_header", "_high", "_middle", "_more", "_only", "_pack", "_parts", "_scalars")

    def __init__(self, tags: Sequence[str]) -> None:
        self._scalars = [encode.scalar_value(tag)[: -encode.FLOAT_SIZE] for tag in tags]
        self._only = tags[0] if len(tags) == 1 else None
        self._high: int | None = None

    def record(self, step: int, wall_time: float, values: Mapping[str, float]) -> bytes:
        """The framed record of one step.

        Args:
            step: from 0 to 2**63 - 1.
            wall_time: seconds since the epoch.
            values: one for each tag, in their order; converted to float32, beyond its range infinite.

        Raises:
            ValueError: the wall time is not finite.
        """
        if wall_time - wall_time != 0:
            raise ValueError(f"wall time {wall_time} is not finite")
        if step >> _BITS_OF_A_DIGIT != self._high:
            self._prepare(step)
        if not step:
            # Zero is not written at all.
            return self._unlike_others(step, wall_time, values)
        low = step & _LOW_DIGIT | self._more
        try:
            if self._only is not None:
                data = self._pack(_TIME, wall_time, _STEP, low, self._middle, values[self._only])
            else:
                parts = self._parts
                parts[1], parts[3] = wall_time, low
                parts[5::2] = values.values()
                data = self._pack(*parts)
        except OverflowError:
            return self._unlike_others(step, wall_time, values)
        crc = _checksum(data)
        # As in ``crc32c.mask``, without a call.
        footer = (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(FOOTER_SIZE, "little")
        return self._header + data + footer

    def _prepare(self, step: int) -> None:
        """Everything that the next steps have in common.

        An Event: the time; the step, whose least significant seven bits come first; the scalars, each ending in its
        value.
        """
        size = sum(map(len, self._scalars)) + encode.FLOAT_SIZE * len(self._scalars)
        # Only zero has no bytes of its own.
        head = encode.summary_head(0.0, step or 1, size)
        self._middle = head[_BEFORE_MIDDLE:] + self._scalars[0]
        following = [part for scalar in self._scalars[1:] for part in (scalar, 0.0)]
        self._parts: list[Any] = [_TIME, 0.0, _STEP, 0, self._middle, 0.0, *following]
        kinds = "".join(f"{len(scalar)}sf" for scalar in (self._middle, *self._scalars[1:]))
        self._pack: Callable[..., bytes] = struct.Struct(f"<BdBB{kinds}").pack
        self._header = header(len(head) + size)
        self._high = step >> _BITS_OF_A_DIGIT
        self._more = _MORE if self._high else 0

    def _unlike_others(self, step: int, wall_time: float, values: Mapping[str, float]) -> bytes:
        pairs = zip(self._scalars, values.values(), strict=True)
        body = b"".join(scalar + encode.float32(value) for scalar, value in pairs)
        return framed(encode.summary_head(wall_time, step, len(body)) + body)
