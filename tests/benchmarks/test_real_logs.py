"""A log that cannot be read costs a line of the table, not the table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks import real_logs

FIELDS = ("id", "labels", "also_ok", "n_points")


def write_log(folder: Path, loss: np.ndarray) -> None:
    folder.mkdir()
    with (folder / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("step", "train_loss"))
        writer.writerows(enumerate(loss.tolist()))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    write_log(tmp_path / "good", 1.0 + 3.0 * (1.0 + np.arange(200) / 10.0) ** -0.5)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "log.csv").write_text("not a log\n", encoding="utf-8")
    return tmp_path


def write_labels(folder: Path, *, also_ok: str) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        writer.writerows([("good", "healthy-improving", "", 200), ("broken", "plateau", also_ok, 200)])


@pytest.mark.parametrize(("also_ok", "holds"), [("", False), ("no-usable-data", True)])
def test_a_refused_log_is_named_and_fails_the_bar_unless_its_label_allows_it(labelled, also_ok, holds):
    write_labels(labelled, also_ok=also_ok)
    runs, refused = real_logs.read_labelled(labelled)
    first, *_ = real_logs.score(runs, refused)
    assert [run.name for run in runs] == ["good"]
    assert (first.what, first.k, first.n, first.holds) == ("runs read", 1, 2, holds)
    (name,) = first.wrong
    assert name.startswith("broken")


def test_the_other_figures_are_printed_all_the_same(labelled, capsys, monkeypatch):
    write_labels(labelled, also_ok="no-usable-data")
    monkeypatch.setattr("sys.argv", ["real_logs.py", str(labelled)])
    real_logs.main()
    printed = capsys.readouterr().out
    assert "| runs read | 1 of 2" in printed
    assert "| false alarms on healthy runs | 0 of 1" in printed
