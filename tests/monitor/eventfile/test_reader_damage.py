"""Whatever happened to a file, what can be read is read, and nothing is invented."""

from __future__ import annotations

import errno
import os
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.eventfile.event_records import (
    WALL_TIME,
    event,
    framed,
    histogram,
    masked,
    record,
    scalar,
    session_start,
    tensor,
    tensor_proto,
    version,
    write,
)

from trainvitals.errors import LogError
from trainvitals.eventfile import EventFileReader
from trainvitals.eventfile.record import HEADER_SIZE

SCALARS = [(step, "loss" if step % 2 else "accuracy", step * 0.37) for step in range(125, 133)]
RECORDS = [
    version(),
    *(record(event(step, scalar(tag, value), wall_time=WALL_TIME + step)) for step, tag, value in SCALARS),
    record(session_start(130)),
    record(event(140, histogram("h", np.arange(3.0), [0.0, 3.0]))),
    record(event(140, scalar("a", 1.0), scalar("b", 2.0))),
    record(event(141, tensor("t", tensor_proto(2, double_val=[0.1]), "scalars"))),
    record(event(142, tensor("t", tensor_proto(2, double_val=[0.2])))),
]
ENDS = np.cumsum([len(each) for each in RECORDS])


def rows(columns):
    return list(
        zip(
            [columns.tags[code] for code in columns.tag_code],
            columns.step.tolist(),
            columns.wall_time.tolist(),
            columns.value.tolist(),
            strict=True,
        )
    )


def rows_of(data, path):
    return rows(EventFileReader(write(path, data)).poll())


def problems(reader):
    return {problem.kind: problem.count for problem in reader.problems}


@pytest.fixture
def rows_of_record(tmp_path):
    """The rows of each record, read from a file that holds it after all that precede it."""
    found = []
    for count in range(1, len(RECORDS) + 1):
        everything = rows_of(b"".join(RECORDS[:count]), tmp_path / "undamaged")
        found.append(everything[sum(map(len, found)) :])
    return found


def test_every_single_byte_corruption_costs_at_most_its_own_record(tmp_path, way, rows_of_record):
    data = b"".join(RECORDS)
    everything = list(chain.from_iterable(rows_of_record))
    generator = np.random.default_rng(0)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= int(generator.integers(1, 256))
        hit = int(np.searchsorted(ENDS, position, "right"))
        reader = EventFileReader(write(tmp_path / "damaged", bytes(damaged)))
        expected = list(chain.from_iterable(each for index, each in enumerate(rows_of_record) if index != hit))
        assert rows(reader.poll()) == expected
        assert expected != everything or not rows_of_record[hit]
        assert set(problems(reader)) <= {"bad-checksum", "gap", "torn-tail"}
        assert problems(reader)


def test_every_truncation_keeps_all_complete_records(tmp_path, way, rows_of_record):
    data = b"".join(RECORDS)
    for size in range(len(data)):
        complete = int(np.searchsorted(ENDS, size, "right"))
        reader = EventFileReader(write(tmp_path / "torn", data[:size]))
        assert rows(reader.poll()) == list(chain.from_iterable(rows_of_record[:complete]))
        assert reader.offset == ([0, *ENDS.tolist()][complete])
        assert ("torn-tail" in problems(reader)) == (size not in (0, *ENDS))


def test_the_offset_of_a_torn_tail_is_its_beginning_and_the_rest_completes_it(tmp_path, way):
    data = b"".join(RECORDS)
    path = write(tmp_path / "f", data[:-5])
    reader = EventFileReader(path)
    first = rows(reader.poll())
    assert reader.offset == ENDS[-2]
    assert problems(reader) == {"torn-tail": 1}
    path.write_bytes(data)
    assert first + rows(reader.poll()) == rows_of(data, tmp_path / "whole")
    assert problems(reader) == {}


def test_a_corrupt_length_loses_that_record_and_reports_the_gap_in_bytes(tmp_path, way):
    damaged = bytearray(b"".join(RECORDS))
    damaged[ENDS[3] + 1] ^= 0x40
    reader = EventFileReader(write(tmp_path / "f", bytes(damaged)))
    columns = reader.poll()
    assert len(columns) == len(SCALARS) - 1 + 4
    (problem,) = reader.problems
    assert problem.kind == "gap"
    assert f"{len(RECORDS[4])} bytes" in problem.text
    assert f"byte {ENDS[3]}" in problem.where


def test_zeros_in_the_middle_cost_the_records_that_they_touch(tmp_path, way):
    damaged = bytearray(b"".join(RECORDS))
    damaged[ENDS[2] + 5 : ENDS[5] - 3] = bytes(ENDS[5] - 3 - ENDS[2] - 5)
    reader = EventFileReader(write(tmp_path / "f", bytes(damaged)))
    assert len(reader.poll()) == len(SCALARS) - 3 + 4
    assert problems(reader) == {"gap": 1}


def test_a_zero_tail_is_reported_and_filled_later(tmp_path, way):
    data = b"".join(RECORDS)
    path = write(tmp_path / "f", data[: ENDS[5]], bytes(5000))
    reader = EventFileReader(path)
    first = rows(reader.poll())
    assert reader.offset == ENDS[5]
    assert problems(reader) == {"zero-tail": 1}
    path.write_bytes(data)
    assert first + rows(reader.poll()) == rows_of(data, tmp_path / "whole")
    assert problems(reader) == {}


def test_a_record_that_was_torn_before_another_writer_went_on_hides_nothing(tmp_path, way):
    torn = RECORDS[1][:-30] + b"".join(RECORDS[2:6])
    reader = EventFileReader(write(tmp_path / "f", version(), torn))
    assert len(reader.poll()) == 4
    assert problems(reader) == {"gap": 1}
    # The torn record claims more bytes than all that follow.
    long = framed(bytes(10_000))[:100] + b"".join(RECORDS[2:6])
    reader = EventFileReader(write(tmp_path / "g", version(), long))
    assert len(reader.poll()) == 4
    assert problems(reader) == {"gap": 1}


def test_data_that_arrives_after_its_size_is_waited_for(tmp_path, way):
    """Network file systems may show a record's length before its content."""
    data = b"".join(RECORDS)
    path = write(tmp_path / "f", data[: ENDS[-1] - 20], bytes(20))
    reader = EventFileReader(path)
    first = rows(reader.poll())
    assert problems(reader) == {"bad-checksum": 1}
    path.write_bytes(data)
    assert first + rows(reader.poll()) == rows_of(data, tmp_path / "whole")
    assert problems(reader) == {}


def test_polls_across_damage_find_what_one_read_finds(tmp_path, way):
    damaged = bytearray(b"".join(RECORDS))
    damaged[ENDS[1] + 2] ^= 1
    damaged[ENDS[4] + 20] ^= 1
    damaged[ENDS[6] + 9] ^= 1
    damaged[ENDS[9] : ENDS[10]] = bytes(ENDS[10] - ENDS[9])
    data = bytes(damaged) + bytes(30)
    path = write(tmp_path / "f")
    reader = EventFileReader(path)
    found = []
    for size in range(1, len(data) + 1):
        path.write_bytes(data[:size])
        columns = reader.poll()
        assert not columns.replaced
        found += rows(columns)
    whole = EventFileReader(write(tmp_path / "whole", data))
    assert found == rows(whole.poll())
    assert len(found) == len(SCALARS) - 3 + 4
    assert problems(reader) == problems(whole) == {"bad-checksum": 1, "gap": 3, "zero-tail": 1}


def test_a_forty_byte_file_says_that_it_holds_no_values(tmp_path):
    only_version = framed(b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2")
    assert len(only_version) == 40
    reader = EventFileReader(write(tmp_path / "f", only_version))
    assert len(reader.poll()) == 0
    assert problems(reader) == {"no-values": 1}
    assert reader.first_wall_time is None


def test_an_empty_file_and_one_that_is_no_event_file_are_survived(tmp_path, way):
    reader = EventFileReader(write(tmp_path / "empty"))
    assert len(reader.poll()) == 0
    assert problems(reader) == {"no-values": 1}
    noise = np.random.default_rng(0).bytes(100_000)
    reader = EventFileReader(write(tmp_path / "noise", noise))
    assert len(reader.poll()) == 0
    assert problems(reader) == {"gap": 1, "no-values": 1}


def test_wall_times_that_are_no_numbers_repeated_tags_and_missing_steps_are_reported_and_kept(tmp_path, way):
    records = [record(event(0, scalar("a", 1), scalar("a", 2), wall_time=np.nan)) for _ in range(4)]
    reader = EventFileReader(write(tmp_path / "f", version(), *records))
    assert reader.poll().value.tolist() == [1, 2] * 4
    assert problems(reader) == {"nan-wall-time": 8, "duplicate-tag": 4, "absent-steps": 8}


def test_records_that_are_no_events_are_skipped_and_counted(tmp_path, way):
    not_utf8 = event(1, scalar("ab", 1)).SerializeToString().replace(b"ab", b"\xff\xfe")
    good = event(1, scalar("cd", 1)).SerializeToString()
    reader = EventFileReader(write(tmp_path / "f", version(), *map(framed, [good, not_utf8, b"\xff\xff"] * 4)))
    columns = reader.poll()
    assert len(columns) == 4
    assert columns.tags == ("cd",)
    assert problems(reader) == {"unparsable": 8}


def test_a_length_that_no_event_has_does_not_ask_for_memory(tmp_path, way):
    huge = (2**40).to_bytes(8, "little")
    reader = EventFileReader(write(tmp_path / "f", version(), huge + masked(huge), bytes(50), *RECORDS[1:3]))
    assert len(reader.poll()) == 2
    assert problems(reader) == {"gap": 1}


def test_a_wrong_checksum_in_the_middle_of_many_alike_costs_one_record(tmp_path, way):
    records = [record(event(step, scalar("loss", step))) for step in range(1000, 1100)]
    data = bytearray(b"".join([version(), *records]))
    for step in (0, 50, 99):
        data[len(version()) + step * len(records[0]) + 40] ^= 1
    # The last one is followed by another record, so that it is not waited for.
    reader = EventFileReader(write(tmp_path / "f", bytes(data), RECORDS[1]))
    assert reader.poll().step.tolist() == [step for step in range(1000, 1100) if step not in (1000, 1050, 1099)] + [125]
    assert problems(reader) == {"bad-checksum": 3}


@settings(max_examples=60)
@given(data=st.data())
def test_any_splice_leaves_the_untouched_records_in_place(tmp_path_factory, data):
    """Bytes are cut out, put in or overwritten at record boundaries or anywhere."""
    blob = b"".join(RECORDS)
    first = data.draw(st.integers(0, len(blob)))
    last = data.draw(st.integers(first, min(len(blob), first + 200)))
    # Zeros and noise; no bytes that could be records.
    inserted = data.draw(st.binary(max_size=60))
    path = tmp_path_factory.mktemp("splice") / "f"
    everything = rows_of(blob, path)
    found = rows_of(blob[:first] + inserted + blob[last:], path)
    # A record that is hit behind its header still claims its length: what slid into that belongs to it.
    hit = next((index for index, end in enumerate(ENDS) if end > first), None)
    claimed = 0 if hit is None or first < ENDS[hit] - len(RECORDS[hit]) + HEADER_SIZE else ENDS[hit]
    moved = len(inserted) - (last - first)
    untouched = [
        rows_of(RECORDS[0] + RECORDS[index], path)
        for index, end in enumerate(ENDS)
        if (end <= first or (end - len(RECORDS[index]) >= last and end - len(RECORDS[index]) + moved >= claimed))
        and index not in (0, len(RECORDS) - 1)
    ]
    assert [row for row in found if row in everything] == found
    remaining = iter(found)
    assert all(row in remaining for part in untouched for row in part)


@pytest.mark.parametrize(
    "data",
    [
        b"\x09" + bytes(8) + b"\x10" + b"\x80" * 30,
        b"\x09" + bytes(8) + b"\x10" + b"\xff" * 500_000,
        b"\x09" + bytes(8) + b"\x2a" + b"\x80" * 500_000 + b"\x01",
        b"\x2a\x08\x0a\x06\x0a\x01a\x2a\x01\x32",
        b"\x2a\x09\x0a\x07\x0a\x01a\x2a\x02\x32\x80",
        b"\x80" * 500_000,
    ],
    ids=["endless step", "long step", "long length", "key without value", "cut length", "continuations only"],
)
def test_numbers_without_an_end_neither_hang_nor_raise(tmp_path, way, data):
    good = record(event(1, scalar("a", 1.0)))
    reader = EventFileReader(write(tmp_path / "f", version(), *[framed(data), good] * 4))
    assert len(reader.poll()) == 4
    assert problems(reader) == {"unparsable": 4}


def test_an_error_while_reading_loses_nothing(tmp_path, monkeypatch):
    data = b"".join(RECORDS)
    path = write(tmp_path / "f", data[: ENDS[3]])
    reader = EventFileReader(path)
    found = rows(reader.poll())
    path.write_bytes(data)
    with monkeypatch.context() as patch:
        patch.setattr("trainvitals.eventfile.reader.WINDOW_SIZE", 200)
        really_read = os.read
        calls = iter(range(1000))

        def failing_read(file, size):
            if next(calls) == 3:
                raise OSError(errno.EIO, "Input/output error")
            return really_read(file, size)

        patch.setattr(os, "read", failing_read)
        with pytest.raises(LogError, match="Input/output error"):
            reader.poll()
    assert found + rows(reader.poll()) == rows_of(data, tmp_path / "whole")
