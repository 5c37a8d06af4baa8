"""The checksum against an obvious one, in both of its implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.eventfile import crc32c as checksums


def bit_by_bit(data: bytes, start: int = 0) -> int:
    register = start ^ 0xFFFFFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize("function", [checksums.crc32c, checksums.crc32c_with_numpy])
@pytest.mark.parametrize(
    ("data", "expected"),
    # RFC 3720, appendix B.4, and the customary check value.
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"", 0)],
)
def test_published_check_values(function, data, expected):
    assert function(data) == expected


@pytest.mark.parametrize("size", [1, 3, 4, 255, 256, 257, 320, 1025, 5000])
def test_both_implementations_agree_with_the_definition_at_any_size_and_start(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    for start in (0, 1, 0xFFFFFFFF, 0x12345678):
        expected = bit_by_bit(data, start)
        assert checksums.crc32c(data, start) == expected
        assert checksums.crc32c_with_numpy(data, start) == expected


@given(st.binary(max_size=700), st.integers(0, 700))
def test_the_checksum_can_be_continued_from_any_cut(data, cut):
    for function in (checksums.crc32c, checksums.crc32c_with_numpy):
        assert function(data[cut:], function(data[:cut])) == function(data) == bit_by_bit(data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_every_kind_of_buffer_is_taken(kind):
    data = bytes(range(256)) * 3
    assert checksums.crc32c(kind(data)) == checksums.crc32c_with_numpy(kind(data)) == bit_by_bit(data)


def test_the_mask_is_tensorflows():
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    for data in (b"", b"a", bytes(range(256))):
        assert checksums.masked_crc32c(data) == masked_crc32c(data)
