"""Lanes find the records that a walk finds, and headers are found wherever they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.eventfile.event_records import framed, masked

from trainvitals.eventfile.framing import Frames, Window, find_record, header_checksums, walk
from trainvitals.eventfile.lanes import frames_of


def records(rng, count, largest):
    """Payloads with many zeros, as events have them, and with bytes that look like small headers."""
    return [framed(bytes(rng.choice([0, 0, 5, 255], rng.integers(0, largest)).astype(np.uint8))) for _ in range(count)]


def as_lists(frames: Frames):
    return list(frames.starts), frames.sizes.tolist(), frames.end, frames.intact


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), largest=st.sampled_from([20, 200, 900]), cut=st.integers(0, 40))
def test_lanes_find_what_a_walk_finds(seed, largest, cut):
    rng = np.random.default_rng(seed)
    data = bytearray(b"".join(records(rng, 1500, largest)))
    if seed % 3 == 0:
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    window = Window(bytes(data[: len(data) - cut]), 0, at_end=True)
    assert as_lists(frames_of(window, 0)) == as_lists(walk(window, 0))


def test_a_walk_stops_before_an_incomplete_record_and_at_damage():
    data = framed(b"one") + framed(b"two")
    end = len(framed(b"one"))
    assert as_lists(walk(Window(data, 0, True), 0)) == ([0, end], [3, 3], len(data), True)
    for size in range(end, len(data)):
        assert as_lists(walk(Window(data[:size], 0, True), 0)) == ([0], [3], end, True)
    damaged = data[:end] + b"\xff" + data[end + 1 :]
    assert as_lists(walk(Window(damaged, 0, True), 0)) == ([0], [3], end, False)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_a_sound_record_is_found_behind_any_bytes(before, payload):
    data = before + framed(payload)
    found = find_record(Window(data, 0, True), 0)
    assert found is not None
    assert found.proven
    assert found.at == len(before)


def test_a_header_alone_proves_nothing():
    length = (50).to_bytes(8, "little")
    header = length + masked(length)
    complete_but_wrong = b"junk" + header + bytes(54) + b"more junk of some length"
    assert find_record(Window(complete_but_wrong, 0, True), 0) is None
    followed = b"junk" + header + bytes(54) + framed(b"next")
    found = find_record(Window(followed, 0, True), 0)
    assert found is not None
    assert (found.at, found.proven) == (4, True)
    incomplete = b"junk" + header + bytes(20)
    waiting = find_record(Window(incomplete, 0, True), 0)
    assert waiting is not None
    assert (waiting.at, waiting.proven) == (4, False)


@pytest.mark.parametrize("sizes", [[0, 1, 65_535], [65_536, 1, 2**26, 2**32 - 1]])
def test_checksums_of_lengths_are_those_of_their_bytes(sizes):
    found = header_checksums(np.array(sizes, np.uint32))
    assert [int(checksum).to_bytes(4, "little") for checksum in found] == [
        masked(size.to_bytes(8, "little")) for size in sizes
    ]
