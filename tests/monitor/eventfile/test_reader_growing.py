"""Files that grow, shrink or are replaced between two looks."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.eventfile.event_records import (
    WALL_TIME,
    event,
    histogram,
    record,
    scalar,
    session_start,
    tensor,
    tensor_proto,
    version,
    write,
)

from trainvitals.eventfile import EventFileReader


def contents(polls):
    """What several polls found together, independent of how they divided it."""
    rows = [
        (columns.tags[code], step, wall_time, value)
        for columns in polls
        for code, step, wall_time, value in zip(
            columns.tag_code.tolist(),
            columns.step.tolist(),
            columns.wall_time.tolist(),
            columns.value.tolist(),
            strict=True,
        )
    ]
    histograms = [
        (tag, series.step.tolist(), series.norm.tolist())
        for columns in polls
        for tag, series in columns.histogram_series().items()
    ]
    starts = []
    row = 0
    for columns in polls:
        starts += [(row + start.row, start.step) for start in columns.session_starts]
        row += len(columns)
    return rows, histograms, starts, [text for columns in polls for text in columns.texts]


def test_tailing_byte_by_byte_equals_one_read(tmp_path, way):
    parts = [
        version(),
        record(event(0, scalar("a", 1.5))),
        record(event(1, scalar("a", 2.5), scalar("b", 3.5))),
        record(event(1, tensor("t", tensor_proto(1, float_val=[1.0]), "scalars"))),
        record(event(2, tensor("t", tensor_proto(1, float_val=[2.0])))),
        record(session_start(1)),
        record(event(2, histogram("h", np.arange(4.0), [0.0, 2.0, 4.0]))),
        record(event(3, tensor("note", tensor_proto(7, string_val=[b"x"]), "text"))),
        record(event(300, scalar("a", 0.0))),
    ]
    data = b"".join(parts)
    path = tmp_path / "f.tfevents"
    path.write_bytes(b"")
    reader = EventFileReader(path)
    polls = [reader.poll()]
    ends = set(np.cumsum([len(part) for part in parts]).tolist())
    for size in range(1, len(data) + 1):
        with path.open("ab") as file:
            file.write(data[size - 1 : size])
        polls.append(reader.poll())
        assert reader.offset == max((end for end in ends if end <= size), default=0)
        assert [problem.kind for problem in reader.problems if problem.kind != "no-values"] == (
            [] if size in ends else ["torn-tail"]
        )
    again = EventFileReader(path)
    assert contents(polls) == contents([again.poll()])
    assert reader.offset == again.offset == len(data)
    assert not polls[-1].replaced


def test_a_poll_without_news_is_empty_and_keeps_the_tags(tmp_path):
    path = write(tmp_path / "f.tfevents", version(), record(event(0, scalar("a", 1))))
    reader = EventFileReader(path)
    first = reader.poll()
    second = reader.poll()
    assert (len(first), len(second)) == (1, 0)
    assert first.tags == second.tags == ("a",)
    with path.open("ab") as file:
        file.write(record(event(1, scalar("b", 1), scalar("a", 2))))
    assert reader.poll().tags == ("a", "b")


def test_a_file_that_shrank_is_read_anew(tmp_path, way):
    path = write(tmp_path / "f.tfevents", version(), *(record(event(step, scalar("a", step))) for step in range(5)))
    reader = EventFileReader(path)
    reader.poll()
    write(path, version(), record(event(7, scalar("a", 7))))
    columns = reader.poll()
    assert columns.replaced
    assert columns.step.tolist() == [7]
    assert [(problem.kind, problem.count) for problem in reader.problems] == [("replaced", 1)]


@pytest.mark.parametrize("steps", [5, 8])
def test_another_file_in_its_place_is_read_anew_even_if_as_long_or_longer(tmp_path, way, steps):
    path = write(tmp_path / "f.tfevents", version(), *(record(event(step, scalar("a", step))) for step in range(5)))
    reader = EventFileReader(path)
    reader.poll()
    other = write(
        tmp_path / "other", version(WALL_TIME + 1), *(record(event(step, scalar("a", -step))) for step in range(steps))
    )
    other.replace(path)
    columns = reader.poll()
    assert columns.replaced
    assert columns.value.tolist() == [-step for step in range(steps)]


def test_a_longer_copy_of_the_same_file_is_continued(tmp_path):
    records = [record(event(step, scalar("a", step))) for step in range(8)]
    path = write(tmp_path / "f.tfevents", version(), *records[:5])
    reader = EventFileReader(path)
    reader.poll()
    write(tmp_path / "copy", version(), *records).replace(path)
    columns = reader.poll()
    assert not columns.replaced
    assert columns.step.tolist() == [5, 6, 7]
