"""A record of an event file: length, checksum of the length, data, checksum of the data (TensorFlow's TFRecord)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from trainvitals.eventfile.crc32c import masked_crc32c

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_SIZE = 12
FOOTER_SIZE = 4


def header(data_size: int) -> bytes:
    """The twelve bytes before the data."""
    length = struct.pack("<Q", data_size)
    return length + struct.pack("<I", masked_crc32c(length))


def footer(data: bytes | NDArray[Any]) -> bytes:
    """The four bytes after the data."""
    return struct.pack("<I", masked_crc32c(data))


def framed(data: bytes) -> bytes:
    """The whole record."""
    return header(len(data)) + data + footer(data)
