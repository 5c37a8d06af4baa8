"""From paths to runs: unique ids, the next best format, and one line for what cannot be read."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import SHARED

from trainvitals.errors import LogError
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats import read_run, read_runs
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import unique_ids

CSV = "epoch,loss\n0,3.0\n1,2.0\n"


def table(path: Path, content: str = CSV) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_one_run_is_read_by_its_folder_or_its_file(tmp_path):
    path = table(tmp_path / "exp" / "log.csv")
    by_folder, by_file = read_run(path.parent), read_run(str(path))
    assert (by_folder.id, by_folder.name, by_folder.path) == ("exp", "exp", str(path.parent))
    assert (by_file.id, by_file.name, by_file.path) == ("log.csv", "log.csv", str(path))
    assert by_folder.series["loss"].value.tolist() == by_file.series["loss"].value.tolist() == [3.0, 2.0]


def test_several_runs_are_refused_by_name_where_one_was_asked_for(tmp_path):
    for i in range(5):
        table(tmp_path / f"exp{i}" / "log.csv")
    with pytest.raises(LogError, match=r"holds 5 runs: exp0, exp1, exp2, … \(use read_runs"):
        read_run(tmp_path)


def test_every_run_has_an_id_of_its_own_that_is_a_path(tmp_path):
    for name in ("a/version_0", "a/version_1", "b/version_0"):
        table(tmp_path / name / "metrics.csv")
    assert [run.id for run in read_runs(tmp_path / "a")] == ["a/version_0", "a/version_1"]
    both = read_runs([tmp_path / "a" / "version_0", tmp_path / "b" / "version_0"])
    assert [run.id for run in both] == ["a/version_0", "b/version_0"]
    overlapping = read_runs([tmp_path, tmp_path / "a", tmp_path / "a" / "version_0"])
    assert [run.id.split("/", 1)[1] for run in overlapping] == ["a/version_0", "a/version_1", "b/version_0"]


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    table(tmp_path / "exp" / "log.csv")
    monkeypatch.chdir(tmp_path / "exp")
    assert [(run.id, run.name) for run in read_runs(".")] == [("exp", "exp")]


folders = st.lists(st.sampled_from(["a", "b", "version_0"]), min_size=1, max_size=4)


def runs_at(paths):
    """Runs, each found from a folder so many above it."""
    return [
        (Path("/").joinpath(*parts[: len(parts) - up]), RunFiles(Path("/").joinpath(*parts), parts[-1], "csv", ()))
        for parts, up in paths
    ]


@given(st.lists(st.tuples(folders, st.integers(0, 4)), max_size=8))
def test_ids_are_unique_whatever_the_paths(paths):
    found = runs_at(paths)
    ids = unique_ids(found)
    assert len(set(ids)) == len(ids) == len(found)


def ids_one_by_one(found):
    """The definition: as long as an id is another's, too, each of them shows one more folder."""
    parts = [files.root.parts[1:] for _, files in found]
    shown = [max(1, len(files.root.parts) - len(given.parent.parts)) for given, files in found]
    while True:
        ids = ["/".join(each[-count:]) for each, count in zip(parts, shown, strict=True)]
        grown = [
            count + (ids.count(each) > 1 and count < len(whole))
            for each, count, whole in zip(ids, shown, parts, strict=True)
        ]
        if grown == shown:
            break
        shown = grown
    before = [ids[:place].count(each) for place, each in enumerate(ids)]
    return [f"{each} ({count + 1})" if count else each for each, count in zip(ids, before, strict=True)]


@given(st.lists(st.tuples(folders, st.integers(0, 4)), max_size=30))
def test_an_id_is_the_shortest_path_that_no_other_run_has(paths):
    assert unique_ids(runs_at(paths)) == ids_one_by_one(runs_at(paths))


def test_where_event_files_hold_nothing_to_judge_the_next_best_format_is_read(tmp_path):
    table(tmp_path / "exp" / "metrics.csv")
    with EventFileWriter(tmp_path / "exp") as writer:
        writer.write_scalars(0, {"hp_metric": -1.0}, wall_time=1.0)
    run = read_run(tmp_path / "exp")
    assert (run.format, len(run.series["loss"])) == ("csv", 2)


def test_where_the_best_format_cannot_be_read_the_next_best_is_and_the_run_says_so(tmp_path):
    table(tmp_path / "exp" / "trainer_state.json", "{")
    table(tmp_path / "exp" / "log.csv")
    run = read_run(tmp_path / "exp")
    assert run.format == "csv"
    assert [problem.kind for problem in run.problems] == ["unreadable-file"]


def test_event_files_win_where_they_have_curves(tmp_path):
    table(tmp_path / "exp" / "metrics.csv")
    with EventFileWriter(tmp_path / "exp") as writer:
        writer.write_scalars(0, {"loss": 7.0}, wall_time=1.0)
    assert read_run(tmp_path / "exp").format == "tensorboard"


def test_tables_of_train_and_validation_are_joined_under_their_parts(tmp_path):
    table(tmp_path / "exp" / "train_log.csv")
    table(tmp_path / "exp" / "val_log.csv", "epoch,loss\n0,4.0\n")
    run = read_run(tmp_path / "exp")
    assert run.series["train/loss"].value.tolist() == [3.0, 2.0]
    assert run.series["val/loss"].value.tolist() == [4.0]


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path):
    table(tmp_path / "good" / "log.csv")
    table(tmp_path / "bad" / "trainer_state.json", "{")
    errors: list[str] = []
    progress: list[tuple[int, int]] = []
    runs = read_runs(
        [tmp_path, tmp_path / "nowhere"],
        on_error=lambda error: errors.append(str(error)),
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert [run.name for run in runs] == ["good"]
    assert ["no such file" in errors[0], "corrupt JSON" in errors[1]] == [True, True]
    assert progress == [(0, 2), (1, 2), (2, 2)]


def test_without_anybody_to_tell_an_error_is_raised(tmp_path):
    with pytest.raises(LogError, match="no such file"):
        list(read_runs([tmp_path / "nowhere"]))


def test_a_reader_that_breaks_is_one_line_and_not_a_traceback(tmp_path, monkeypatch):
    table(tmp_path / "log.csv")

    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("trainvitals.formats.csv_table.parse", broken)
    with pytest.raises(LogError, match="its csv reader failed: ZeroDivisionError: oops"):
        read_run(tmp_path / "log.csv")


@pytest.mark.slow
def test_several_processes_read_the_same_runs_in_the_same_order(tmp_path):
    for i in range(3):
        table(tmp_path / f"exp{i}" / "log.csv")
    table(tmp_path / "exp1" / "log.csv", "{")
    table(tmp_path / "exp3" / "trainer_state.json", "{")
    errors: list[LogError] = []
    runs = list(read_runs(tmp_path, jobs=2, on_error=errors.append))
    assert [run.id for run in runs] == [f"{tmp_path.name}/exp0", f"{tmp_path.name}/exp2"]
    assert [(error.where or "").split("/")[-2] for error in errors] == ["exp3"]


@pytest.mark.shared
def test_every_labelled_run_is_found_and_read_in_full():
    folder = SHARED / "real_logs"
    with (folder / "labels.csv").open() as file:
        labels = {row["id"]: row for row in csv.DictReader(file)}
    runs = {Path(run.path).relative_to(folder).parts[0]: run for run in read_runs(folder)}
    assert runs.keys() == labels.keys()
    for name, run in runs.items():
        for column in ("train_tags", "val_tags", "lr_tags", "grad_tags"):
            assert set(filter(None, labels[name][column].split(";"))) <= run.series.keys(), name
        if run.format != "tensorboard":
            tag = labels[name]["train_tags"].split(";")[0]
            assert len(run.series[tag]) == int(labels[name]["n_points"]), name
            assert run.restarts == (), name
            assert run.problems == (), name
            last = int(float(labels[name]["last_step"]))
            assert run.last_step is not None
            assert math.isclose(run.last_step, last, abs_tol=5), name
