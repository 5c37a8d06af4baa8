"""CRC-32C (Castagnoli), and the masked form in which event files store it.

``google_crc32c`` does it in hardware where it was installed as a compiled wheel. Where it was not, its own Python code
takes some 100 ns a byte; the NumPy code here takes a few, because the checksum is linear: equal pieces of the data are
advanced side by side and then joined two by two.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPILED = google_crc32c.implementation == "c"

_POLYNOMIAL_REFLECTED = 0x82F63B78
_ALL_ONES = 0xFFFFFFFF
_PIECE_SIZE = 64
# Below this the NumPy calls cost more than a loop over the bytes.
_SHORT = 256


def crc32c(data: bytes | bytearray | memoryview | NDArray[Any], start: int = 0) -> int:
    """The checksum of ``data``, which goes on from ``start``, the checksum of what precedes it."""
    if COMPILED:
        # The extension takes bytes and arrays, but no views.
        chunk = data if isinstance(data, bytes) else np.frombuffer(data, np.uint8)
        return int(google_crc32c.extend(start, chunk))
    return crc32c_with_numpy(data, start)


def mask(crc: int) -> int:
    """The stored form of a checksum: rotated and shifted, so that a checksum of data with checksums stays sound."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ALL_ONES


def masked_crc32c(data: bytes | bytearray | memoryview | NDArray[Any]) -> int:
    """The checksum of ``data`` as an event file stores it."""
    return mask(crc32c(data))


def crc32c_with_numpy(data: bytes | bytearray | memoryview | NDArray[Any], start: int = 0) -> int:
    """``crc32c`` without compiled code."""
    octets = np.frombuffer(data, np.uint8)
    register = start ^ _ALL_ONES
    if len(octets) < _SHORT:
        table = byte_table().tolist()
        for octet in octets.tolist():
            register = table[(register ^ octet) & 0xFF] ^ (register >> 8)
        return register ^ _ALL_ONES
    return _advance_in_pieces(octets, register) ^ _ALL_ONES


def _advance_in_pieces(octets: NDArray[np.uint8], register: int) -> int:
    pieces = 1 << (-(-len(octets) // _PIECE_SIZE) - 1).bit_length()
    padded = np.zeros(pieces * _PIECE_SIZE, np.uint8)
    first = len(padded) - len(octets)
    # A register of zeros stays zero over leading zeros; the true one enters with the first four bytes.
    padded[first:] = octets
    padded[first : first + 4] ^= np.array([register], "<u4").view(np.uint8)
    table = _pair_table()
    registers = np.zeros(pieces, np.uint32)
    for pair in np.ascontiguousarray(padded.view("<u2").reshape(pieces, -1).T):
        registers = table[(registers ^ pair) & 0xFFFF] ^ (registers >> 16)
    zeros_after = _PIECE_SIZE
    while len(registers) > 1:
        registers = _through(_zeros_tables(zeros_after), registers[0::2]) ^ registers[1::2]
        zeros_after *= 2
    return int(registers[0])


@functools.cache
def byte_table() -> NDArray[np.uint32]:
    """What each byte does to a register of zeros."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL_REFLECTED), table >> 1)
    return table.astype(np.uint32)


@functools.cache
def _pair_table() -> NDArray[np.uint32]:
    """What each pair of bytes does to a register of zeros."""
    table = byte_table()
    pairs = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(2):
        pairs = table[pairs & 0xFF] ^ (pairs >> 8)
    return pairs


@functools.cache
def _zeros_tables(count: int) -> NDArray[np.uint32]:
    """``[4, 256]``: what ``count`` zero bytes make of each byte of the register."""
    basis = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if count == _PIECE_SIZE:
        for _ in range(count):
            basis = byte_table()[basis & 0xFF] ^ (basis >> 8)
    else:
        half = _zeros_tables(count // 2)
        basis = _through(half, _through(half, basis))
    tables = np.zeros((4, 256), np.uint32)
    for bit in range(8):
        tables[:, (np.arange(256) >> bit & 1).astype(bool)] ^= basis.reshape(4, 8)[:, bit, None]
    return tables


def _through(tables: NDArray[np.uint32], registers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    low: NDArray[np.uint32] = tables[0][registers & 0xFF] ^ tables[1][registers >> 8 & 0xFF]
    high: NDArray[np.uint32] = tables[2][registers >> 16 & 0xFF] ^ tables[3][registers >> 24]
    low ^= high
    return low
