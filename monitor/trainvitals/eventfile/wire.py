"""Protobuf's wire format: fields, numbers, and when to leave them to the protobuf classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT_LIMIT = 10
"""Bytes that a 64-bit number has at most."""

_LENGTH_LIMIT = 5


class Unsupported(Exception):  # noqa: N818 - a change of path, not an error
    """The bytes are no event, or one that needs the protobuf classes."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at ``at``, and the position behind it.

    Raises:
        Unsupported: the number is longer than any can be, or the data ends inside it.
    """
    number = shift = 0
    for position in range(at, min(at + VARINT_LIMIT, len(data))):
        octet = data[position]
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            return number, position + 1
        shift += 7
    raise Unsupported


def read_step(data: bytes, at: int) -> int:
    """The signed 64-bit number at ``at``."""
    number = read_varint(data, at)[0] & 0xFFFFFFFFFFFFFFFF
    return number - (1 << 64) if number >> 63 else number


def fields(data: bytes, at: int, end: int, *, repeated: int = -1) -> Iterator[tuple[int, int, int]]:
    """Key, start and size of each field between ``at`` and ``end``.

    Args:
        repeated: the key of the only field that may occur more than once.

    Raises:
        Unsupported: a field that repeats, a field number above 15, a group, a number in an odd form, or a size that
            leaves the message.
    """
    seen = 0
    while at < end:
        key = data[at]
        at += 1
        if at == end:
            raise Unsupported
        wire_type = key & 7
        if wire_type == 2:
            size = data[at]
            at += 1
            if size > 0x7F:
                length_at = at - 1
                size, at = read_varint(data, length_at)
                if at - length_at > _LENGTH_LIMIT or not data[at - 1]:
                    raise Unsupported
        elif wire_type == 1:
            size = 8
        elif wire_type == 5:
            size = 4
        elif wire_type == 0:
            size = 1 if data[at] < 0x80 else read_varint(data, at)[1] - at
            if size == VARINT_LIMIT and data[at + size - 1] != 1:
                raise Unsupported
        else:
            raise Unsupported
        if key != repeated:
            if key > 0x7F or seen >> key & 1:
                raise Unsupported
            seen |= 1 << key
        if at + size > end:
            raise Unsupported
        yield key, at, size
        at += size
