"""What belongs to one run, what is a run of its own, and what is no log at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.errors import LogError
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.folders import SNIFFED_SUFFIXES, format_of
from trainvitals.formats.registry import BY_NAME

CSV = "epoch,loss\n0,3.0\n1,2.0\n"
STATE = json.dumps({"global_step": 10, "log_history": [{"step": 10, "loss": 1.0}]})


def events(folder: Path, *tags: str) -> Path:
    """One event file with a scalar for each tag."""
    with EventFileWriter(folder) as writer:
        for tag in tags:
            writer.write_scalars(1, {tag: 1.0}, wall_time=1.0)
        return writer.path


def text(path: Path, content: str = CSV) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def found(root: Path) -> dict[str, tuple[str, list[str]]]:
    """For each run, by its path below ``root``: its format, and its files with their prefixes."""
    return {
        run.root.relative_to(root).as_posix(): (
            run.format,
            sorted(f"{prefix}|{path.relative_to(run.root).parent.as_posix()}" for prefix, path in run.files)
            if run.root.is_dir()
            else [],
        )
        for run in find_runs(root)
    }


def test_a_folder_of_event_files_is_one_run_however_many_files_it_holds(tmp_path):
    events(tmp_path / "run", "loss")
    events(tmp_path / "run", "loss")
    assert found(tmp_path) == {"run": ("tensorboard", ["|.", "|."])}


def test_versions_seeds_and_ranks_are_runs_of_their_own_in_natural_order(tmp_path):
    names = ["version_2", "version_10", "seed_0", "seed_1", "rank0"]
    for name in names:
        events(tmp_path / name, "loss")
    assert [run.name for run in find_runs(tmp_path)] == ["rank0", "seed_0", "seed_1", "version_2", "version_10"]


@pytest.mark.parametrize("pair", [("train", "val"), ("train", "validation"), ("Train", "Test"), ("train", "eval")])
def test_the_parts_of_the_data_are_one_run_even_where_the_folder_itself_has_no_file(tmp_path, pair):
    for part in pair:
        events(tmp_path / "run" / part, "epoch_loss")
    assert found(tmp_path) == {"run": ("tensorboard", sorted(f"{part}|{part}" for part in pair))}


def test_a_part_alone_belongs_to_the_folder_that_holds_nothing_else(tmp_path):
    events(tmp_path / "20240101" / "train", "epoch_loss")
    assert list(found(tmp_path)) == ["20240101"]


def test_a_folder_called_train_that_holds_runs_is_none_itself(tmp_path):
    events(tmp_path / "train" / "exp1", "loss")
    events(tmp_path / "train" / "exp2", "loss")
    assert list(found(tmp_path)) == ["train/exp1", "train/exp2"]


def test_yolo_runs_called_train_and_train2_stay_apart(tmp_path):
    table = "epoch,train/box_loss,train/cls_loss,lr/pg0\n1,2,3,0.1\n"
    for name in ("train", "train2"):
        text(tmp_path / "detect" / name / "results.csv", table)
        events(tmp_path / "detect" / name, "train/box_loss")
    runs = find_runs(tmp_path)
    assert [(run.name, run.format) for run in runs] == [("train", "yolo"), ("train2", "yolo")]
    assert [[other.format for other in run.alternatives] for run in runs] == [["tensorboard"]] * 2


def test_the_folder_that_was_named_is_a_run_whatever_it_is_called(tmp_path):
    events(tmp_path / "run" / "train", "loss")
    events(tmp_path / "run" / "val", "loss")
    (only,) = find_runs(tmp_path / "run" / "train")
    assert (only.name, only.files[0][0]) == ("train", "")


def test_what_add_scalars_and_add_hparams_make_belongs_to_their_run(tmp_path):
    events(tmp_path / "run", "lr")
    events(tmp_path / "run" / "Loss_fit_train", "Loss/fit")
    events(tmp_path / "run" / "Loss_fit_val", "Loss/fit")
    events(tmp_path / "run" / "1700000000.123", "hparam/accuracy")
    events(tmp_path / "run" / "Loss_fit_test")
    events(tmp_path / "run" / "other_model", "loss")
    assert found(tmp_path) == {
        "run": (
            "tensorboard",
            [
                *(f"{name}|{name}" for name in ("1700000000.123", "Loss_fit_test", "Loss_fit_train", "Loss_fit_val")),
                "|.",
            ],
        ),
        "run/other_model": ("tensorboard", ["|."]),
    }


def test_checkpoints_belong_to_the_folder_above_them(tmp_path):
    for name in ("checkpoint-5", "checkpoint-10"):
        text(tmp_path / "out" / name / "trainer_state.json", STATE)
    assert found(tmp_path) == {
        "out": ("hf-trainer-state", ["checkpoint-10|checkpoint-10", "checkpoint-5|checkpoint-5"])
    }


def test_one_launch_of_a_trainer_tells_the_run_better_than_its_state(tmp_path):
    text(tmp_path / "out" / "trainer_state.json", STATE)
    text(tmp_path / "out" / "checkpoint-10" / "trainer_state.json", STATE)
    events(tmp_path / "out" / "runs" / "Jan01_10-00-00_host", "train/loss")
    (run,) = find_runs(tmp_path)
    assert (run.root.name, run.format) == ("out", "tensorboard")
    assert [prefix for prefix, _ in run.files] == [""]
    assert [other.format for other in run.alternatives] == ["hf-trainer-state"]


def test_of_several_launches_the_state_tells_what_counted(tmp_path):
    text(tmp_path / "out" / "trainer_state.json", STATE)
    for launch in ("Jan01_10-00-00_host", "Jan02_10-00-00_host"):
        events(tmp_path / "out" / "runs" / launch, "train/loss")
    (run,) = find_runs(tmp_path)
    assert (run.root.name, run.format) == ("out", "hf-trainer-state")
    assert [other.format for other in run.alternatives] == ["tensorboard", "tensorboard"]


def test_other_runs_below_a_trainers_folder_stay_runs(tmp_path):
    text(tmp_path / "trainer_state.json", STATE)
    for name in ("exp1", "exp2"):
        events(tmp_path / "logs" / name, "loss")
    assert list(found(tmp_path)) == [".", "logs/exp1", "logs/exp2"]


def test_a_run_in_several_formats_is_one_run_in_the_richest(tmp_path):
    events(tmp_path / "version_0", "loss")
    text(tmp_path / "version_0" / "metrics.csv")
    text(tmp_path / "llama" / "trainer_state.json", STATE)
    text(tmp_path / "llama" / "trainer_log.jsonl", '{"current_steps": 1, "loss": 1}\n{"current_steps": 2, "loss": 1}\n')
    text(tmp_path / "sb3" / "progress.csv")
    text(tmp_path / "sb3" / "progress.json", '{"step": 1, "loss": 1}\n{"step": 2, "loss": 1}\n')
    described = {
        run.root.name: (run.format, [other.format for other in run.alternatives]) for run in find_runs(tmp_path)
    }
    assert described == {
        "version_0": ("tensorboard", ["csv"]),
        "llama": ("hf-trainer-state", ["jsonl"]),
        "sb3": ("csv", ["jsonl"]),
    }


def test_one_table_makes_its_folder_a_run_and_several_are_a_run_each(tmp_path):
    text(tmp_path / "one" / "log.csv")
    text(tmp_path / "many" / "exp1.csv")
    text(tmp_path / "many" / "exp2.csv")
    assert list(found(tmp_path)) == ["many/exp1.csv", "many/exp2.csv", "one"]
    assert [run.name for run in find_runs(tmp_path)] == ["exp1", "exp2", "one"]


def test_tables_of_the_parts_of_the_data_are_one_run(tmp_path):
    text(tmp_path / "run" / "train_log.csv")
    text(tmp_path / "run" / "val_log.csv")
    text(tmp_path / "run" / "log.csv")
    joined, alone = find_runs(tmp_path)
    assert [(prefix, path.name) for prefix, path in joined.files] == [
        ("train", "train_log.csv"),
        ("val", "val_log.csv"),
    ]
    assert [path.name for _, path in alone.files] == ["log.csv"]


def test_what_is_no_log_is_passed_over(tmp_path):
    events(tmp_path / "run", "loss")
    for folder in (".git", "node_modules", ".ipynb_checkpoints"):
        text(tmp_path / folder / "log.csv")
    text(tmp_path / "data" / "iris.csv", "sepal,species\n1,a\n")
    text(tmp_path / "run" / "events.out.tfevents.1.profile-empty", "")
    text(tmp_path / "run" / "hparams.yaml", "lr: 0.1\n")
    text(tmp_path / "run" / "config.json", '{"loss": 1}')
    assert found(tmp_path) == {"run": ("tensorboard", ["|."])}


def test_any_name_with_tfevents_in_it_is_an_event_file(tmp_path):
    events(tmp_path / "run", "loss").rename(tmp_path / "run" / "my.tfevents.copy")
    assert list(found(tmp_path)) == ["run"]


def test_a_tree_that_leads_back_to_itself_is_walked_once(tmp_path):
    events(tmp_path / "a" / "run", "loss")
    (tmp_path / "a" / "run" / "up").symlink_to(tmp_path)
    (tmp_path / "aa_latest").symlink_to(tmp_path / "a" / "run")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "ouroboros").symlink_to(tmp_path / "ouroboros")
    assert list(found(tmp_path)) == ["a/run"]


def test_a_link_beside_the_log_that_it_leads_to_is_no_second_run(tmp_path):
    text(tmp_path / "exp7.csv")
    (tmp_path / "latest.csv").symlink_to(tmp_path / "exp7.csv")
    (run,) = find_runs(tmp_path)
    assert [path.name for _, path in run.files] == ["exp7.csv"]


def test_a_linked_folder_outside_the_tree_is_followed(tmp_path):
    events(tmp_path / "elsewhere" / "run", "loss")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "run").symlink_to(tmp_path / "elsewhere" / "run")
    assert list(found(tmp_path / "logs")) == ["run"]


def test_a_subfolder_that_cannot_be_read_costs_one_line(tmp_path, monkeypatch):
    events(tmp_path / "run", "loss")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    skipped: list[LogError] = []
    assert [run.name for run in find_runs(tmp_path, skipped.append)] == ["run"]
    assert [str(error) for error in skipped] == [
        f"{tmp_path / 'closed'}: no permission to read it (check its access rights)"
    ]


@pytest.mark.slow
def test_ten_thousand_unrelated_files_are_one_line(tmp_path):
    for i in range(20):
        folder = tmp_path / f"part{i}"
        folder.mkdir()
        for j in range(500):
            (folder / f"{j}.png").touch()
    with pytest.raises(LogError, match="none of its 10000 files is a training log"):
        find_runs(tmp_path)


def test_empty_log_files_are_told_from_none(tmp_path):
    text(tmp_path / "run" / "events.out.tfevents.1.host", "")
    with pytest.raises(LogError, match="of 0 bytes"):
        find_runs(tmp_path)
    events(tmp_path / "run2", "loss")
    assert list(found(tmp_path)) == ["run2"]


def test_a_file_that_was_named_is_read_by_what_is_in_it(tmp_path):
    assert find_runs(text(tmp_path / "notes.dat", "a;b\n1;2\n"))[0].format == "csv"
    assert find_runs(text(tmp_path / "notes2.dat", '{"a": 1}\n'))[0].format == "jsonl"
    assert find_runs(text(tmp_path / "state.json", STATE))[0].format == "hf-trainer-state"
    (only,) = find_runs(events(tmp_path / "run", "loss"))
    assert (only.format, only.files) == ("tensorboard", (("", only.root),))


@given(
    st.sampled_from(sorted(SNIFFED_SUFFIXES)), st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode))
)
def test_any_first_bytes_are_recognised_or_not(suffix, head):
    assert format_of(f"file{suffix}", head) in {None, *BY_NAME}


def make_loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def make_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def make_empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def make_binary(folder: Path) -> Path:
    (folder / "model.pt").write_bytes(b"PK\x03\x04\x00\x00" * 10)
    return folder / "model.pt"


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda folder: folder / "nowhere", "no such file or folder"),
        (lambda folder: text(folder / "a.csv") / "b", "no such file or folder"),
        (lambda folder: folder / ("x" * 5000), "too long"),
        (lambda folder: text(folder / "log.csv", ""), "the file is empty"),
        (make_loop, "a symbolic link that leads back to itself"),
        (make_pipe, "neither a file nor a folder"),
        (make_empty_folder, "the folder holds no files"),
        (make_binary, "a binary file of unknown kind"),
    ],
)
def test_what_holds_no_run_is_refused_in_one_line_with_what_to_try(tmp_path, make, what):
    path = make(tmp_path)
    with pytest.raises(LogError, match=what) as refused:
        find_runs(path)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert message.endswith(")")
