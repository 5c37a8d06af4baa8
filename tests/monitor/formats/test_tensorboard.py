"""Event files to runs: names, histograms, growing files, files that are damaged, gone or no logs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.formats.event_logs import files, files_of, read, steps_of, write, write_histogram

from trainvitals.errors import LogError
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats.tensorboard import TensorBoardLog, is_event_file, read_tensorboard


@pytest.mark.usefixtures("clock")
def test_one_file_is_a_run_with_every_tag_value_and_time(tmp_path):
    with EventFileWriter(tmp_path / "run") as writer:
        for step in range(5):
            writer.write_scalars(step, {"b": step / 2, "a": -step}, wall_time=50.0 + step)
        writer.write_text(0, "note", "first")
        writer.write_text(1, "note", "second")
        writer.write_hyper_parameters({"rate": 0.1, "fused": True, "name": "x"})
        path = writer.path
    run = read_tensorboard(files(path, path))
    assert run.id == run.name
    assert (run.path, run.name, run.format) == (str(path), path.name, "tensorboard")
    assert list(run.series) == ["b", "a"]
    assert run.series["b"].tag == "b"
    assert run.series["b"].value.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert run.series["a"].wall_time.tolist() == [50.0, 51.0, 52.0, 53.0, 54.0]
    assert run.texts == {"note": "second"}
    assert run.hyper_parameters == {"rate": 0.1, "fused": True, "name": "x"}
    assert run.restarts == ()
    assert run.problems == ()


@pytest.mark.usefixtures("clock")
def test_subfolders_prefix_their_tags(tmp_path):
    write(tmp_path, [0], tags=["epoch"])
    write(tmp_path / "train", [0], tags=["loss", "accuracy"])
    write(tmp_path / "val", [0], tags=["loss", "accuracy"])
    assert set(read(tmp_path).series) == {"epoch", "train/loss", "train/accuracy", "val/loss", "val/accuracy"}


@pytest.mark.usefixtures("clock")
def test_add_scalars_children_are_named_after_their_main_tag(tmp_path):
    write(tmp_path / "loss_train", [0], tags=["loss"])
    write(tmp_path / "Loss_total_val", [0], tags=["Loss/total"])
    write(tmp_path / "loss_" / "odd", [0], tags=["loss"])
    write(tmp_path / "loss_both", [0], tags=["loss", "rate"])
    assert set(read(tmp_path).series) == {
        "loss/train",
        "Loss/total/val",
        "loss//odd",
        "loss_both/loss",
        "loss_both/rate",
    }


@pytest.mark.usefixtures("clock")
def test_files_are_read_in_order_of_time_not_of_name(tmp_path):
    late = write(tmp_path, range(5, 10))
    early = write(tmp_path, range(5))
    contents = late.read_bytes(), early.read_bytes()
    late.write_bytes(contents[1])
    early.write_bytes(contents[0])
    run = read(tmp_path)
    assert run.series["loss"].wall_time.tolist() == sorted(run.series["loss"].wall_time.tolist())


@pytest.mark.usefixtures("clock")
def test_a_growing_run_equals_one_that_is_read_at_once(tmp_path):
    log = TensorBoardLog(lambda: files_of(tmp_path))
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"loss": 1.0})
        assert steps_of(log.poll()) == [0]
        unchanged = log.poll()
        assert log.poll() is unchanged
        writer.write_scalars(1, {"loss": 1.0, "rate": 0.5})
        write_histogram(writer, 1, 1.0)
        assert steps_of(log.poll(), "rate") == [1]
        write_histogram(writer, 2, 2.0)
        writer.write_text(2, "note", "x")
        writer.write_hyper_parameters({"rate": 0.1})
        writer.write_scalars(2, {"loss": 1.0})
    write(tmp_path / "val", range(3))
    write(tmp_path, range(2, 6), resume_step=2)
    grown, whole = log.poll(), read(tmp_path)
    assert list(grown.series) == list(whole.series)
    for tag, series in whole.series.items():
        for column in ("step", "wall_time", "value"):
            assert np.array_equal(getattr(grown.series[tag], column), getattr(series, column))
    assert grown.histograms["weights"].mean.tolist() == whole.histograms["weights"].mean.tolist() == [1.0]
    assert (grown.texts, grown.hyper_parameters) == (whole.texts, whole.hyper_parameters)
    assert (grown.restarts, grown.problems) == (whole.restarts, whole.problems)


@pytest.mark.usefixtures("clock")
def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    path = write(tmp_path, range(10))
    log = TensorBoardLog(lambda: files(tmp_path, path))
    assert steps_of(log.poll()) == list(range(10))
    other = write(tmp_path / "other", [3, 4], tags=["accuracy"])
    other.replace(path)
    run = log.poll()
    assert {tag: series.step.tolist() for tag, series in run.series.items()} == {"accuracy": [3, 4]}
    assert "replaced" in {problem.kind for problem in run.problems}


@pytest.mark.usefixtures("clock")
def test_damage_is_reported_under_the_files_own_name_below_the_run(tmp_path):
    path = write(tmp_path / "train", range(10))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    write(tmp_path / "val", range(10))
    run = read(tmp_path)
    assert steps_of(run, "train/loss") == list(range(9))
    (problem,) = run.problems
    assert problem.kind == "bad-checksum"
    assert problem.where.startswith(f"train/{path.name}, byte ")


@pytest.mark.usefixtures("clock")
def test_a_file_that_cannot_be_read_is_a_problem_and_keeps_what_was_read(tmp_path):
    path = write(tmp_path, range(3))
    absent = tmp_path / "events.out.tfevents.1.absent"
    log = TensorBoardLog(lambda: files(tmp_path, absent, path))
    run = log.poll()
    assert steps_of(run) == [0, 1, 2]
    assert [(problem.kind, problem.where) for problem in run.problems] == [("unreadable-file", absent.name)]
    path.rename(tmp_path / "elsewhere")
    run = log.poll()
    assert steps_of(run) == [0, 1, 2]
    assert {problem.where for problem in run.problems} == {absent.name, path.name}


@pytest.mark.usefixtures("clock")
def test_a_file_that_no_longer_belongs_to_the_run_is_forgotten(tmp_path):
    path = write(tmp_path, range(3))
    log = TensorBoardLog(lambda: files_of(tmp_path))
    log.poll()
    path.rename(path.with_name(f"{path.name}.renamed"))
    run = log.poll()
    assert steps_of(run) == [0, 1, 2]
    assert run.problems == ()


def test_no_readable_file_is_an_error_of_one_line(tmp_path):
    with pytest.raises(LogError, match=r"no event files"):
        read_tensorboard(files(tmp_path))
    absent = tmp_path / "events.out.tfevents.1.absent"
    with pytest.raises(LogError, match=absent.name) as caught:
        read_tensorboard(files(tmp_path, absent))
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_a_run_without_series(tmp_path):
    path = tmp_path / "events.out.tfevents.1.host"
    path.touch()
    run = read_tensorboard(files(tmp_path, path))
    assert run.series == {}
    assert run.last_step is None


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("events.out.tfevents.1658193659.host.1.0", b"", True),
        ("my.tfevents", b"junk", True),
        ("events.out.tfevents.1658193659.profile-empty", b"", False),
        ("metrics.csv", b"step,loss\n", False),
    ],
)
def test_event_files_are_known_by_their_name(name, head, expected):
    assert is_event_file(name, head) is expected


def test_a_renamed_event_file_is_known_by_its_first_record(tmp_path):
    assert is_event_file("log.bin", write(tmp_path, range(3)).read_bytes()[:512])
