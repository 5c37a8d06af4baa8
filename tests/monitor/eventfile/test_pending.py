"""Scalars that wait beside their event file: what is held is read, and nothing else is."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from trainvitals.eventfile import pending as pendings
from trainvitals.eventfile.pending import Pending, PendingScalars, pending_path, read_pending

TAGS = ("train/loss", "train/accuracy")
NAME = "events.out.tfevents.1700000000.host.42.0"
ENTRIES_AT, ENTRY = 4096, struct.Struct("<5d")


@pytest.fixture(autouse=True)
def some_file_system(monkeypatch):
    """Whatever this machine has."""
    monkeypatch.setattr(pendings, "_file_system", lambda _: "ext4")
    monkeypatch.setattr(pendings, "HELD_S", float("inf"))


@pytest.fixture
def event_file(tmp_path):
    return tmp_path / NAME


@pytest.fixture
def held(event_file):
    held = PendingScalars(event_file)
    held.begin(TAGS)
    yield held
    held.close()


def values(step):
    return {"train/loss": 1.0 / step, "train/accuracy": -step}


def take(held, *steps):
    return [held.take(step, 1.7e9 + step, values(step)) for step in steps]


def rows(*steps):
    return tuple((step, 1.7e9 + step, (1.0 / step, -step)) for step in steps)


def test_what_was_taken_is_read_in_its_order(held, event_file):
    assert take(held, 1, 2, 7, 3) == [True] * 4
    assert read_pending(event_file) == Pending(TAGS, rows(1, 2, 7, 3))
    assert held.rows() == [(step, 1.7e9 + step, values(step)) for step in (1, 2, 7, 3)]


def test_what_was_written_is_pending_no_more(held, event_file):
    take(held, 1, 2, 3)
    held.go_on()
    assert read_pending(event_file).rows == ()
    take(held, 4)
    assert read_pending(event_file).rows == rows(4)
    assert [step for step, *_ in held.rows()] == [4]
    held.pause()
    assert (read_pending(event_file).rows, take(held, 5)) == ((), [False])


def test_other_tags_begin_anew(held, event_file):
    take(held, 1, 2, 3)
    assert not held.take(4, 1.0, {"train/loss": 1.0})
    assert not held.take(4, 1.0, {"train/loss": 1.0, "train/perplexity": 2.0})
    held.begin(("train/loss",))
    assert held.take(4, 5.0, {"train/loss": 0.5})
    assert read_pending(event_file) == Pending(("train/loss",), ((4, 5.0, (0.5,)),))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_somebody_waits_for_is_not_held(held, event_file, value):
    assert take(held, 1) == [True]
    assert not held.take(2, 2.0, {"train/loss": 1.0, "train/accuracy": value})
    assert take(held, 3) == [True]
    assert read_pending(event_file).rows == rows(1, 3)


def test_it_is_held_for_a_while_and_not_longer(held, event_file, monkeypatch):
    monkeypatch.setattr(pendings, "HELD_S", 1.0)
    monkeypatch.setattr(pendings.time, "time", lambda: 100.0)
    held.begin(TAGS)
    assert held.take(1, 101.0, values(1))
    assert not held.take(2, 101.1, values(2))
    held.go_on()
    assert held.take(2, 100.5, values(2))


def test_what_is_full_takes_nothing_more_and_keeps_what_it_has(held, event_file):
    steps = range(1, 2000)
    taken = take(held, *steps)
    count = taken.index(False)
    assert count == (1 << 14) // ENTRY.size
    assert not any(taken[count:])
    assert read_pending(event_file).rows == rows(*steps[:count])


def test_a_step_that_no_float_holds_is_not_held(held):
    assert take(held, 2**53) == [True]
    assert take(held, 2**53 + 1) == [False]


def test_the_file_is_none_of_tensorboards_and_goes_with_its_writer(event_file):
    held = PendingScalars(event_file)
    assert "tfevents" not in pending_path(event_file).name
    assert pending_path(event_file).exists()
    held.close()
    assert list(event_file.parent.iterdir()) == []


@pytest.mark.parametrize("name", [NAME, "events.log", "events.out.tfevents.1"])
def test_an_event_file_without_one_has_nothing_pending(tmp_path, name):
    assert read_pending(tmp_path / name) == Pending()


def test_a_file_system_that_may_not_keep_it_gets_none(event_file, monkeypatch):
    monkeypatch.setattr(pendings, "_file_system", lambda _: "nfs4")
    with pytest.raises(OSError, match="file system"):
        PendingScalars(event_file)
    assert list(event_file.parent.iterdir()) == []


def test_a_disk_without_room_gets_none(event_file, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pendings.os, "posix_fallocate", no_room)
    with pytest.raises(OSError, match="No space"):
        PendingScalars(event_file)
    assert list(event_file.parent.iterdir()) == []


def test_a_disk_that_gets_full_is_stored_to_no_more(held, event_file, monkeypatch):
    take(held, 1)
    monkeypatch.setattr(pendings, "_free_bytes", lambda _: pendings.LEAST_FREE_BYTES - 1)
    held.go_on()
    assert take(held, 2) == [False]


def test_a_process_that_dies_at_any_store_leaves_whole_entries(held, event_file):
    take(held, 1, 2, 3)
    held.go_on()
    take(held, 4, 5)
    path = pending_path(event_file)
    old = path.read_bytes()
    take(held, 6)
    new = path.read_bytes()
    at = ENTRIES_AT + 2 * ENTRY.size
    for stored in range(ENTRY.size):
        path.write_bytes(old[:at] + new[at : at + stored] + old[at + stored :])
        # The bytes that a number has in common with the one before it are there already.
        assert read_pending(event_file).rows in (rows(4, 5), rows(4, 5, 6))
        assert stored > ENTRY.size - 8 or read_pending(event_file).rows == rows(4, 5)
    path.write_bytes(new)
    assert read_pending(event_file).rows == rows(4, 5, 6)


def test_a_file_that_was_cut_has_what_is_left_of_it(held, event_file):
    take(held, 1, 2, 3)
    path = pending_path(event_file)
    whole = path.read_bytes()
    for size in (0, 1, 8, 20, 30, ENTRIES_AT - 1, ENTRIES_AT, *range(ENTRIES_AT, ENTRIES_AT + 3 * ENTRY.size + 1, 7)):
        path.write_bytes(whole[:size])
        entries = max(size - ENTRIES_AT, 0) // ENTRY.size
        assert read_pending(event_file).rows == rows(*range(1, entries + 1))


def test_garbage_is_no_point(held, event_file):
    take(held, 1, 2, 3)
    path = pending_path(event_file)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    real = set(rows(1, 2, 3))
    for trial in range(300):
        damaged = bytearray(whole)
        first, last = sorted(random.integers(0, len(whole), 2)) if trial % 3 else (0, len(whole))
        # Not the values of the three: what they are, nobody else knows.
        for begin, end in ((first, min(last, ENTRIES_AT)), (max(first, ENTRIES_AT + 3 * ENTRY.size), last)):
            if begin < end:
                damaged[begin:end] = random.bytes(end - begin)
        path.write_bytes(damaged)
        assert set(read_pending(event_file).rows) <= real
    for content in (
        b"",
        b"TVPEND1\n",
        bytes(30_000),
        random.bytes(30_000),
        b"\xff" * 30_000,
        whole[:24] + b"\xff" * 9000,
    ):
        path.write_bytes(content)
        assert read_pending(event_file) == Pending()


@pytest.mark.parametrize("text", [b"[1]", b'{"a": 1}', b"nonsense", b'["a\\ud800"', b"\xff\xff", b"[]", b"null"])
def test_tags_that_are_none_are_not_believed(held, event_file, text):
    take(held, 1)
    path = pending_path(event_file)
    whole = path.read_bytes()
    checksum = pendings.crc32c(text)
    path.write_bytes(whole[:16] + struct.pack("<II", len(text), checksum) + text + whole[24 + len(text) :])
    assert read_pending(event_file) == Pending()


@pytest.mark.parametrize("step", [0.5, -1.0, 2.0**60, float("nan"), float("inf")])
def test_a_step_that_is_none_ends_what_is_believed(held, event_file, step):
    take(held, 1, 2, 3)
    path = pending_path(event_file)
    damaged = bytearray(path.read_bytes())
    struct.pack_into("<d", damaged, ENTRIES_AT + ENTRY.size, step)
    path.write_bytes(damaged)
    assert read_pending(event_file).rows == rows(1)


def test_the_kind_of_a_file_system_is_that_of_the_innermost_mount(tmp_path, monkeypatch):
    monkeypatch.undo()
    inside = tmp_path / "a b" / "c"
    inside.mkdir(parents=True)
    escaped = str(tmp_path).replace(" ", "\\040")
    mounts = f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / {escaped}/a\\040b rw shared:1 - nfs4 server:/ rw\nnonsense\n"
    monkeypatch.setattr(pendings.Path, "read_text", lambda *_, **__: mounts)
    assert pendings._file_system(inside) == "nfs4"
    assert pendings._file_system(tmp_path / "a bc") == "ext4"
