"""Checksums of many rows at once find exactly the rows that one at a time would find."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.eventfile import crc32c, crc32c_rows


def rows_of(rng, count, size):
    """Rows with constant bytes in front, data, right checksum, and where the data begins."""
    data_at = -(size + 4) % 8
    front = rng.bytes(data_at)
    rows = []
    for _ in range(count):
        data = rng.bytes(size)
        rows.append(front + data + struct.pack("<I", crc32c.masked_crc32c(data)))
    return np.frombuffer(b"".join(rows), np.uint8).reshape(count, -1).copy(), data_at


@pytest.fixture(params=["compiled", "numpy"])
def implementation(request, monkeypatch):
    """Both with the compiled checksum and as where it was not installed."""
    monkeypatch.setattr(crc32c_rows, "COMPILED", request.param == "compiled" and crc32c.COMPILED)
    monkeypatch.setattr(crc32c, "COMPILED", request.param == "compiled" and crc32c.COMPILED)
    return request.param


@pytest.mark.parametrize("size", [1, 4, 30, 37, 44, 300, 3000])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_rows_with_right_checksums_are_all_sound(implementation, size, count):
    rows, data_at = rows_of(np.random.default_rng(size), count, size)
    assert crc32c_rows.sound_rows(rows, data_at) is None


@pytest.mark.parametrize("size", [1, 30, 44, 3000])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_damaged_row_is_found(implementation, size, count):
    rng = np.random.default_rng(size)
    for damaged in range(count):
        for place in ("data", "checksum"):
            rows, data_at = rows_of(rng, count, size)
            column = int(rng.integers(data_at, data_at + size)) if place == "data" else data_at + size + 2
            rows[damaged, column] ^= 1 << int(rng.integers(8))
            assert crc32c_rows.sound_rows(rows, data_at).tolist() == [row != damaged for row in range(count)]


def test_the_same_error_in_all_rows_does_not_cancel_out(implementation):
    rows, data_at = rows_of(np.random.default_rng(0), 6, 30)
    for row in rows:
        plain = crc32c.crc32c(row[data_at:-4].tobytes()) ^ 0x1234
        row[-4:] = np.frombuffer(struct.pack("<I", crc32c.mask(plain)), np.uint8)
    assert not crc32c_rows.sound_rows(rows, data_at).any()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_masking_is_that_of_single_checksums_and_can_be_undone(checksums):
    plain = np.array(checksums, np.uint32)
    masked = crc32c_rows.mask_array(plain)
    assert masked.tolist() == [crc32c.mask(checksum) for checksum in checksums]
    assert crc32c_rows.unmask_array(masked).tolist() == checksums
