"""Checksums of many equally long records at once.

CRC-32C is linear, and appending a checksum to its own data leaves a known register. So the stored checksum in each row
is replaced by one that leads back to the register from which the row began; then the whole block of rows must lead
back there, which one pass of compiled code decides. One wrong row always shows; several wrong ones cancel out with the
same chance of 2**-32 with which a single one goes unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.crc32c import COMPILED, byte_table, crc32c

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MASK_OFFSET, _FIFTEEN, _SEVENTEEN = np.uint32(0xA282EAD8), np.uint32(15), np.uint32(17)
_ALL_ONES, _LOW_BYTE, _BYTE = np.uint32(0xFFFFFFFF), np.uint32(0xFF), np.uint32(8)
# Without compiled code, longer rows are faster one by one.
_LONG = 2048
# The checksum whose inner register is zero.
_ZERO_REGISTER = 0xFFFFFFFF


def mask_array(checksums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """``crc32c.mask`` of each."""
    return ((checksums >> _FIFTEEN) | (checksums << _SEVENTEEN)) + _MASK_OFFSET


def unmask_array(masked: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The plain checksums of stored ones."""
    rotated = masked - _MASK_OFFSET
    return (rotated << _FIFTEEN) | (rotated >> _SEVENTEEN)


def sound_rows(rows: NDArray[np.uint8], data_at: int) -> NDArray[np.bool_] | None:
    """Which rows carry the right checksum; None if all do.

    Args:
        rows: ``[n, W]``, contiguous: some bytes that are the same in all rows, the data, its masked checksum. ``W`` is
            a multiple of 8. The last four bytes of each row are overwritten.
        data_at: where the data begins.
    """
    stored = rows.view("<u4")[:, -1]
    expected = unmask_array(stored)
    if COMPILED and crc32c(rows[0, data_at:-4]) == expected[0]:
        before_checksum = crc32c(rows[0, :-4], _ZERO_REGISTER) ^ _ZERO_REGISTER
        stored[:] = expected ^ np.uint32(int(expected[0]) ^ before_checksum)
        if crc32c(rows.reshape(-1), _ZERO_REGISTER) == _ZERO_REGISTER:
            return None
    sound: NDArray[np.bool_] = _checksums(rows[:, data_at:-4]) == expected
    return None if sound.all() else sound


def _checksums(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The checksum of each row, one by one where that is fast, else byte by byte for all rows at once."""
    if COMPILED or data.shape[1] > _LONG:
        return np.array([crc32c(np.ascontiguousarray(row)) for row in data], np.uint32)
    table = byte_table()
    registers = np.full(len(data), _ALL_ONES, np.uint32)
    for octets in data.T:
        registers = table[(registers ^ octets) & _LOW_BYTE] ^ (registers >> _BYTE)
    return registers ^ _ALL_ONES
