"""A growing run is read on or anew, whatever its format, and only if something changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainvitals.errors import LogError
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats import read_run
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.growing import GrowingRun
from trainvitals.model import Run


def polled(growing: GrowingRun, path: Path) -> Run:
    (files,) = find_runs(path)
    return growing.poll(files)


def test_event_files_are_read_on(tmp_path: Path) -> None:
    growing = GrowingRun()
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"loss": 1.0})
        first = polled(growing, tmp_path)
        assert polled(growing, tmp_path) is first
        writer.write_scalars(1, {"loss": 0.5})
        second = polled(growing, tmp_path)
    assert second.series["loss"].value.tolist() == [1.0, 0.5]
    assert first.series["loss"].value.tolist() == [1.0]


def test_a_table_is_read_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = GrowingRun()
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n0,1.0\n1,0.5\n")
    first = polled(growing, path)
    with monkeypatch.context() as patch:
        patch.setattr("trainvitals.formats.growing.read_one", lambda files, purge: pytest.fail("read again"))
        assert polled(growing, path) is first
    path.write_text("step,loss\n0,1.0\n1,0.5\n2,0.25\n")
    assert polled(growing, path).series["loss"].value.tolist() == [1.0, 0.5, 0.25]


def test_where_the_best_format_holds_nothing_to_judge_the_next_is_read_until_it_does(tmp_path: Path) -> None:
    growing = GrowingRun()
    (tmp_path / "metrics.csv").write_text("step,train_loss\n0,1.0\n1,0.5\n")
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"hp_metric": -1.0})
        assert list(polled(growing, tmp_path).series) == ["train_loss"]
        writer.write_scalars(1, {"loss": 0.5})
        assert "loss" in polled(growing, tmp_path).series


def test_it_is_what_read_run_gives(root: Path) -> None:
    for sample in sorted(path for path in (root / "sample_logs").iterdir() if path.is_dir()):
        grown, read = polled(GrowingRun(), sample), read_run(sample)
        assert (grown.name, grown.path, grown.format) == (read.name, read.path, read.format)
        assert {tag: each.value.tobytes() for tag, each in grown.series.items()} == {
            tag: each.value.tobytes() for tag, each in read.series.items()
        }


def test_an_unreadable_file_is_tried_again_when_it_changed(tmp_path: Path) -> None:
    growing = GrowingRun()
    path = tmp_path / "trainer_state.json"
    path.write_text('{"log')
    files = find_runs(tmp_path)[0]
    for _ in range(2):
        with pytest.raises(LogError):
            growing.poll(files)
    path.write_text('{"log_history": [{"step": 1, "loss": 2.0}]}')
    assert growing.poll(files).series["loss"].value.tolist() == [2.0]


def test_a_mistake_of_a_reader_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_log: object) -> Run:
        raise ZeroDivisionError

    monkeypatch.setattr("trainvitals.formats.tensorboard.TensorBoardLog.poll", broken)
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"loss": 1.0})
    with pytest.raises(LogError, match="mistake of trainvitals"):
        polled(GrowingRun(), tmp_path)
