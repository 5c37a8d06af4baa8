"""What waits beside an event file belongs to the run, once."""

from __future__ import annotations

import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainvitals import read_run
from trainvitals.eventfile import EventFileWriter
from trainvitals.eventfile import pending as pendings
from trainvitals.eventfile.pending import PendingScalars, pending_path
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.growing import GrowingRun

LOSS = "train/loss"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """An event file with steps 0 to 4, and steps 5 to 7 beside it."""
    monkeypatch.setattr(pendings, "_file_system", lambda _: "ext4")
    monkeypatch.setattr(pendings, "HELD_S", math.inf)
    writer = EventFileWriter(tmp_path)
    for step in range(5):
        writer.write_scalars(step, {LOSS: 1.0 / (step + 1)}, 100.0 + step)
    held = PendingScalars(writer.path)
    held.begin((LOSS,))
    for step in range(5, 8):
        assert held.take(step, 100.0 + step, {LOSS: 1.0 / (step + 1)})
    yield writer, held
    writer.close()


def steps(run):
    return run.series[LOSS].step.tolist()


def test_it_is_read_behind_what_is_in_the_file(tmp_path, run):
    found = read_run(tmp_path)
    assert steps(found) == list(range(8))
    assert found.series[LOSS].value.tolist() == pytest.approx([1.0 / (step + 1) for step in range(8)], rel=1e-6)
    assert found.series[LOSS].wall_time.tolist() == [100.0 + step for step in range(8)]
    assert not found.problems
    assert steps(read_run(run[0].path)) == list(range(8))


def test_a_process_that_dies_between_writing_and_saying_so_leaves_no_point_twice(tmp_path, run):
    writer, held = run
    writer.write_rows(held.rows())
    assert steps(read_run(tmp_path)) == list(range(8))


def test_nor_does_one_that_dies_in_the_middle_of_writing(tmp_path, run):
    writer, held = run
    whole = writer.path.read_bytes()
    writer.write_rows(held.rows())
    written = writer.path.read_bytes()
    for size in range(len(whole), len(written) + 1):
        writer.path.write_bytes(written[:size])
        assert steps(read_run(tmp_path)) == list(range(8))


def test_a_growing_run_has_each_point_once_whenever_it_is_looked_at(tmp_path, run):
    writer, held = run
    (files,) = find_runs(tmp_path)
    growing = GrowingRun()
    first = growing.poll(files)
    assert steps(first) == list(range(8))
    assert growing.poll(files) is first
    held.take(8, 108.0, {LOSS: 0.1})
    assert steps(growing.poll(files)) == list(range(9))
    writer.write_rows(held.rows())
    assert steps(growing.poll(files)) == list(range(9))
    held.go_on()
    assert steps(growing.poll(files)) == list(range(9))
    held.take(9, 109.0, {LOSS: 0.1})
    writer.write_rows(held.rows())
    writer.write_scalars(10, {LOSS: 0.1, "train/grad_norm": 1.0}, 110.0)
    held.go_on()
    held.take(11, 111.0, {LOSS: 0.1})
    assert steps(growing.poll(files)) == list(range(12))


def test_a_tag_that_only_waits_is_a_tag_of_the_run(tmp_path, run):
    _, held = run
    held.begin(("train/accuracy", LOSS))
    held.take(5, 105.0, {"train/accuracy": 0.5, LOSS: 2.0})
    found = read_run(tmp_path)
    assert (steps(found), found.series[LOSS].value[-1]) == ([*range(5), 5], 2.0)
    assert found.series["train/accuracy"].step.tolist() == [5]


def test_a_number_beyond_float32_is_what_the_file_would_make_of_it(tmp_path, run):
    run[1].take(8, 108.0, {LOSS: 1e39})
    assert read_run(tmp_path).series[LOSS].value[-1] == math.inf


def test_garbage_beside_a_file_changes_nothing(tmp_path, run):
    pending_path(run[0].path).write_bytes(b"\0\xff" * 20_000)
    assert steps(read_run(tmp_path)) == list(range(5))
    pending_path(run[0].path).unlink()
    pending_path(run[0].path).mkdir()
    assert steps(read_run(tmp_path)) == list(range(5))


def test_the_rows_of_one_write_are_what_writing_each_would_be(tmp_path, run):
    _, held = run
    one, many = EventFileWriter(tmp_path / "one"), EventFileWriter(tmp_path / "many")
    before = many.path.stat().st_size
    many.write_rows(held.rows())
    for step, wall_time, values in held.rows():
        one.write_scalars(step, values, wall_time)
    assert many.path.read_bytes()[before:] == one.path.read_bytes()[before:]


def test_tensorboard_reads_the_file_and_not_what_waits(tmp_path, run):
    found = EventAccumulator(str(tmp_path)).Reload().Scalars(LOSS)
    assert [event.step for event in found] == list(range(5))
