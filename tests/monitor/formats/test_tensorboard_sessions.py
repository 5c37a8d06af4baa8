"""Event files of a training that began again, or that several processes write: what is kept, and what is told."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.monitor.formats.event_logs import files, kinds, read, steps_of, write, write_histogram

from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats.tensorboard import read_tensorboard
from trainvitals.model import HistogramSeries


def accumulated_steps(folder: Path) -> list[int]:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [event.step for event in accumulator.Scalars("loss")] if "loss" in accumulator.Tags()["scalars"] else []


@settings(max_examples=40)
@given(
    sessions=st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 30)), st.lists(st.integers(0, 30), max_size=12)),
        min_size=1,
        max_size=4,
    )
)
def test_start_events_drop_exactly_what_tensorboard_drops(tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("run")
    ticks = itertools.count(1_000_000_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(ticks)))
        for start, steps in sessions:
            write(folder, steps, resume_step=start)
    series = read(folder).series
    assert (steps_of(read(folder)) if series else []) == accumulated_steps(folder)


@pytest.mark.usefixtures("clock")
def test_several_start_events_in_one_file_each_drop_what_stands_before_them(tmp_path):
    from trainvitals.eventfile import encode

    with EventFileWriter(tmp_path) as writer:
        for start, steps in ((None, range(10)), (7, range(7, 12)), (3, range(3, 5)), (4, range(4, 6))):
            if start is not None:
                writer._write(encode.session_start(time.time(), start))
            for step in steps:
                writer.write_scalars(step, {"loss": step})
    assert steps_of(read(tmp_path)) == accumulated_steps(tmp_path) == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("clock")
def test_purging_can_be_by_step_or_not_at_all(tmp_path):
    write(tmp_path, range(10))
    write(tmp_path, range(6, 8), resume_step=6)
    assert steps_of(read(tmp_path)) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert steps_of(read(tmp_path, purge="none")) == [*range(10), 6, 7]
    write(tmp_path, range(3, 5))
    assert steps_of(read(tmp_path)) == [0, 1, 2, 3, 4, 5, 6, 7, 3, 4]
    assert steps_of(read(tmp_path, purge="step")) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("clock")
def test_a_session_of_one_folder_leaves_the_others_alone(tmp_path):
    write(tmp_path / "val", range(10))
    write(tmp_path / "train", range(10))
    write(tmp_path / "train", range(6, 8), resume_step=6)
    run = read(tmp_path)
    assert steps_of(run, "val/loss") == list(range(10))
    assert steps_of(run, "train/loss") == list(range(8))
    assert kinds(run) == [("session", 6, 9)]
    assert run.restarts[0].where.startswith("train/events.out.tfevents.")


@pytest.mark.usefixtures("clock")
def test_histograms_are_joined_over_files_and_dropped_with_their_session(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        for step in range(5):
            write_histogram(writer, step, 1.0)
    with EventFileWriter(tmp_path, resume_step=3) as writer:
        for step in (3, 4):
            write_histogram(writer, step, -2.0)
    (histogram,) = read(tmp_path).histograms.values()
    assert isinstance(histogram, HistogramSeries)
    assert histogram.step.tolist() == [0, 1, 2, 3, 4]
    assert histogram.mean.tolist() == [1.0, 1.0, 1.0, -2.0, -2.0]
    assert histogram.norm.tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert histogram.quantiles.shape == (5, len(HistogramSeries.QUANTILES))
    assert read(tmp_path, purge="none").histograms["weights"].step.tolist() == [0, 1, 2, 3, 4, 3, 4]


@pytest.mark.usefixtures("clock")
def test_a_histogram_beside_a_start_event_is_told_apart_by_its_time(tmp_path):
    from trainvitals.eventfile import encode

    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"loss": 1.0})
        write_histogram(writer, 5, 1.0)
        writer._write(encode.session_start(time.time(), 2))
        write_histogram(writer, 5, 2.0)
        writer.write_scalars(5, {"loss": 1.0})
    assert read(tmp_path).histograms["weights"].mean.tolist() == [2.0]


@pytest.mark.usefixtures("clock")
def test_a_second_file_that_begins_earlier_is_a_restart_and_keeps_every_point(tmp_path):
    write(tmp_path, range(0, 100, 10), tags=["loss", "rate"])
    second = write(tmp_path, range(60, 150, 10), tags=["loss", "rate"])
    run = read(tmp_path)
    assert steps_of(run) == [*range(0, 100, 10), *range(60, 150, 10)]
    assert kinds(run) == [("new-file", 60, 90)]
    assert run.restarts[0].where == second.name


@pytest.mark.usefixtures("clock")
def test_a_second_file_of_other_tags_is_no_restart(tmp_path):
    write(tmp_path, range(100), tags=["loss"])
    write(tmp_path, [0, 50], tags=["test_accuracy"])
    assert read(tmp_path).restarts == ()


def test_a_file_that_goes_on_is_a_restart_only_after_a_pause(tmp_path, monkeypatch):
    for name, second_start_s, expected in (("rotated", 30.0, []), ("resumed", 5000.0, [("new-file", 10, 9)])):
        for first_step, start_s in ((0, 20.0), (10, second_start_s)):
            monkeypatch.setattr(time, "time", lambda start_s=start_s: start_s)
            with EventFileWriter(tmp_path / name) as writer:
                for step in range(10):
                    writer.write_scalars(first_step + step, {"loss": 1.0}, wall_time=start_s + step)
        assert kinds(read(tmp_path / name)) == expected


@pytest.mark.usefixtures("clock")
def test_steps_that_go_back_inside_a_file_are_a_restart(tmp_path):
    write(tmp_path, [*range(0, 100, 10), *range(50, 200, 10)], tags=["loss", "rate"])
    run = read(tmp_path)
    assert kinds(run) == [("step-back", 50, 90)]
    assert len(run.series["loss"]) == 25


@pytest.mark.usefixtures("clock")
def test_a_start_event_where_steps_go_back_is_told_once(tmp_path):
    from trainvitals.eventfile import encode

    with EventFileWriter(tmp_path) as writer:
        for step in range(20):
            writer.write_scalars(step, {"loss": 1.0})
        writer._write(encode.session_start(time.time(), 10))
        for step in range(10, 30):
            writer.write_scalars(step, {"loss": 1.0})
    assert kinds(read(tmp_path)) == [("session", 10, 19)]


@pytest.mark.usefixtures("clock")
def test_the_start_event_of_a_first_file_is_no_restart(tmp_path):
    write(tmp_path, range(5), resume_step=0)
    assert read(tmp_path).restarts == ()


@pytest.mark.usefixtures("clock")
def test_a_counter_that_wraps_is_a_problem_and_not_hundreds_of_restarts(tmp_path):
    write(tmp_path, [step % 4 for step in range(1000)])
    run = read(tmp_path)
    assert run.restarts == ()
    assert [(problem.kind, problem.count) for problem in run.problems] == [("steps-go-back", 249)]
    assert len(run.series["loss"]) == 1000


@pytest.mark.usefixtures("clock")
def test_concurrent_writers_are_merged_by_time_reported_and_never_purged(tmp_path):
    with EventFileWriter(tmp_path) as one, EventFileWriter(tmp_path, resume_step=0) as other:
        for step in range(10):
            one.write_scalars(step, {"loss": 1.0, "only/one": 1.0})
            other.write_scalars(step, {"loss": 2.0})
    for purge in ("session", "step", "none"):
        run = read(tmp_path, purge=purge)
        assert steps_of(run) == [step for step in range(10) for _ in range(2)]
        assert run.series["loss"].value.tolist() == [1.0, 2.0] * 10
        (problem,) = run.problems
        assert (problem.kind, problem.count) == ("concurrent-writers", 2)
        assert one.path.name in problem.where
        assert other.path.name in problem.where
    assert run.restarts == ()


@pytest.mark.usefixtures("clock")
def test_files_of_one_time_with_different_tags_are_not_concurrent(tmp_path):
    with EventFileWriter(tmp_path) as one, EventFileWriter(tmp_path) as other:
        for step in range(10):
            one.write_scalars(step, {"train": 1.0})
            other.write_scalars(step, {"val": 2.0})
    assert read(tmp_path).problems == ()


@pytest.mark.usefixtures("clock")
def test_a_concurrent_file_does_not_protect_an_older_one_from_its_own_start_event(tmp_path):
    write(tmp_path, range(20))
    with EventFileWriter(tmp_path) as one, EventFileWriter(tmp_path, resume_step=5) as other:
        for step in range(5, 10):
            one.write_scalars(step, {"loss": 100.0})
            other.write_scalars(step, {"loss": 200.0})
    assert steps_of(read(tmp_path)) == [*range(5), *(step for step in range(5, 10) for _ in range(2))]


@pytest.mark.shared
def test_a_trainer_that_was_started_again_after_weeks_is_seen(shared):
    folder = shared / "real_logs" / "run_022"
    (root,) = {path.parent for path in folder.rglob("*tfevents*")}
    run = read_tensorboard(files(root, *root.iterdir()))
    assert kinds(run) == [("new-file", 250_000, 230_000)]
