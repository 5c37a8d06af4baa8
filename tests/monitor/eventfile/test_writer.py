"""What the writer writes of scalars, as TensorBoard's own classes read it."""

from __future__ import annotations

import math
import struct
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.monitor.eventfile.written_events import accumulated, events_of, records_of, scalars_of

from trainvitals.eventfile import template as templates
from trainvitals.eventfile import writer as writers
from trainvitals.eventfile.few import FewScalars
from trainvitals.eventfile.template import ScalarTemplate
from trainvitals.eventfile.writer import EventFileWriter

VARINT_BOUNDARIES = [0, 1, 127, 128, 16383, 16384, 2097151, 2097152, 2**31, 2**53, 2**63 - 1]


def same_bits(left: float, right: float) -> bool:
    return struct.pack("<f", left) == struct.pack("<f", right)


def test_tensorboard_reads_back_every_value_step_and_time(tmp_path):
    tags = [f"layer{number}/{'x' * (number % 7)}" for number in range(300)]
    values = np.random.default_rng(0).normal(size=(5, len(tags))).astype(np.float32)
    template = ScalarTemplate(tags)
    with EventFileWriter(tmp_path) as writer:
        for step, row in enumerate(values):
            writer.write_vector(step * 100, template, row, wall_time=1e9 + step / 3)
    read = accumulated(tmp_path)
    assert set(read.Tags()["scalars"]) == set(tags)
    for column, tag in enumerate(tags):
        points = read.Scalars(tag)
        assert [point.step for point in points] == [0, 100, 200, 300, 400]
        assert [point.wall_time for point in points] == [1e9 + step / 3 for step in range(5)]
        assert np.array_equal(np.array([point.value for point in points], np.float32), values[:, column])


def test_steps_at_every_varint_boundary(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        for step in VARINT_BOUNDARIES:
            writer.write_scalars(step, {"loss": float(step % 1000)})
    assert scalars_of(tmp_path, "loss") == [(step, float(step % 1000)) for step in VARINT_BOUNDARIES]


@pytest.mark.parametrize("step", [-1, 2**63])
def test_a_step_that_no_event_can_hold_is_refused_and_writes_nothing(tmp_path, step):
    with EventFileWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="not between 0"):
            writer.write_scalars(step, {"loss": 1.0})
        with pytest.raises(TypeError):
            writer.write_scalars(1.5, {"loss": 1.0})  # type: ignore[arg-type]
        assert len(records_of(writer.path)) == 1
    with pytest.raises(ValueError, match="not between 0"):
        EventFileWriter(tmp_path, resume_step=step)


def test_numpy_steps_are_steps(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(np.int32(300), {"loss": 1.0})
    assert scalars_of(tmp_path, "loss") == [(300, 1.0)]


@pytest.mark.parametrize("wall_time", [math.nan, math.inf])
def test_a_wall_time_that_stops_tensorboards_server_is_refused(tmp_path, wall_time):
    with EventFileWriter(tmp_path) as writer, pytest.raises(ValueError, match="not finite"):
        writer.write_scalars(0, {"loss": 1.0}, wall_time=wall_time)


def test_special_values_keep_their_bits_and_large_ones_become_infinite(tmp_path):
    smallest_subnormal = 2.0**-149
    logged = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "-0": -0.0, "subnormal": smallest_subnormal}
    logged |= {"large": 1e300, "-large": -1e300, "vanishing": 1e-300}
    expected = logged | {"large": math.inf, "-large": -math.inf, "vanishing": 0.0}
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(1, logged)
    read = accumulated(tmp_path)
    for tag, value in expected.items():
        assert same_bits(read.Scalars(tag)[0].value, value), tag


def test_a_nan_of_a_vector_keeps_its_payload(tmp_path):
    value = np.array([0x7FC12345], "<u4").view("<f4")
    with EventFileWriter(tmp_path) as writer:
        writer.write_vector(0, ScalarTemplate(["nan"]), value)
        assert records_of(writer.path)[1].endswith(value.tobytes())


tags_strategy = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8, unique=True)


@settings(max_examples=150, deadline=None)
@given(
    tags=tags_strategy,
    rows=st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.floats(width=32), st.floats(allow_nan=False, allow_infinity=False)),
        max_size=4,
    ),
)
def test_any_unicode_value_step_and_time_come_back_through_tensorboards_protobuf(tags, rows):
    with tempfile.TemporaryDirectory() as folder, EventFileWriter(folder) as writer:
        for step, value, wall_time in rows:
            writer.write_scalars(step, dict.fromkeys(tags, value), wall_time)
        events = events_of(writer.path)[1:]
    assert len(events) == (len(rows) if tags else 0)
    for event, (step, value, wall_time) in zip(events, rows, strict=False):
        assert (event.step, event.wall_time) == (step, wall_time)
        assert [entry.tag for entry in event.summary.value] == tags
        assert all(same_bits(entry.simple_value, value) for entry in event.summary.value)


def test_a_lone_surrogate_is_written_as_its_escape(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_vector(0, ScalarTemplate(["a\ud800", "a\udfff"]), np.array([1.0, 2.0]))
    assert set(accumulated(tmp_path).Tags()["scalars"]) == {"a\\ud800", "a\\udfff"}


def test_a_step_larger_than_a_record_is_split_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(templates, "RECORD_SIZE_LIMIT", 200)
    values = {f"tag{number}": float(number) for number in range(50)}
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(7, values, wall_time=5.0)
        events = events_of(writer.path)[1:]
    assert len(events) > 1
    assert all(event.summary.ByteSize() <= 200 and (event.step, event.wall_time) == (7, 5.0) for event in events)
    assert {entry.tag: entry.simple_value for event in events for entry in event.summary.value} == values


def test_one_tag_longer_than_a_record_is_written_alone(tmp_path):
    long = "x" * (templates.RECORD_SIZE_LIMIT + 1)
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"a": 1.0, long: 2.0, "b": 3.0})
        assert [entry.tag for event in events_of(writer.path) for entry in event.summary.value] == ["a", long, "b"]


def test_a_template_refuses_repeated_tags_and_vectors_of_another_length(tmp_path):
    with pytest.raises(ValueError, match="'b' occurs twice"):
        ScalarTemplate(["a", "b", "b"])
    with EventFileWriter(tmp_path) as writer:
        for wrong in (np.zeros(1), np.zeros(3), np.zeros((2, 1)), np.float32(1)):
            with pytest.raises(ValueError, match="2 tags need as many values"):
                writer.write_vector(0, ScalarTemplate(["a", "b"]), wrong)
        assert len(records_of(writer.path)) == 1


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, 1e300, -1e300, np.float32(0.1), math.inf, math.nan, 3])
@pytest.mark.parametrize("tags", [("train/loss",), ("train/loss", "é"), tuple("abcdefgh")])
def test_a_few_scalars_have_the_bytes_that_a_template_gives_them(value, tags):
    few, template = FewScalars(tags), ScalarTemplate(tags)
    steps = [*range(400), *VARINT_BOUNDARIES, 7, 0, 8]
    for step in steps:
        values = [value + step] * len(tags)
        (record,) = template.records(step, 1e9 + step / 3, np.array(values, np.float64))
        assert few.record(step, 1e9 + step / 3, dict(zip(tags, values, strict=True))) == record.tobytes()


def test_more_tag_sets_than_are_kept_are_all_written(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        for step in range(2 * writers.TEMPLATES_KEPT):
            writer.write_scalars(step, {f"tag{step}": float(step)})
        events = events_of(writer.path)[1:]
    assert [event.summary.value[0].simple_value for event in events] == [float(n) for n in range(len(events))]
