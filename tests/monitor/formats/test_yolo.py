"""YOLO's table gets the total loss that it lacks, and says that it was added."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainvitals.formats.read import read_run
from trainvitals.formats.yolo import is_yolo_results

V8_HEADER = (
    "epoch,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B),metrics/mAP50(B),"
    "val/box_loss,val/cls_loss,val/dfl_loss,lr/pg0"
)
V8_ROWS = ("1,1.5000,2.2500,1.2500,0.5,0.5,1.2500,1.5000,1.0,0.0033", "2,1.25,2.0000,1.0000,0.6,0.6,1.0,1.25,1.0,0.006")
V8 = "".join(",".join(f"{cell:>23}" for cell in line.split(",")) + "\n" for line in (V8_HEADER, *V8_ROWS))
V5 = """\
               epoch,      train/box_loss,      train/obj_loss,      train/cls_loss,   metrics/precision,x/lr0
                   0,             0.12500,             0.06250,             0.03125,             0.01000,0.1
"""
CLASSIFY = "epoch,time,train/loss,metrics/accuracy_top1,val/loss,lr/pg0\n1,3.5,2.0,0.5,2.5,0.1\n"


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "exp" / "results.csv"
    path.parent.mkdir()
    path.write_text(content)
    return path.parent


def test_the_parts_are_added_up_and_the_sum_is_called_derived(tmp_path):
    run = read_run(written(tmp_path, V8))
    assert (run.name, run.format) == ("exp", "yolo")
    assert run.series["train/loss"].value.tolist() == [5.0, 4.25]
    assert run.series["train/loss"].step.tolist() == [1, 2]
    assert run.series["val/loss"].value.tolist() == [3.75, 3.25]
    assert run.texts["derived/train/loss"] == "sum of train/box_loss, train/cls_loss, train/dfl_loss"
    assert run.texts["derived/val/loss"] == "sum of val/box_loss, val/cls_loss, val/dfl_loss"
    assert run.series["metrics/mAP50(B)"].value.tolist() == [0.5, 0.6]


def test_the_older_parts_are_added_up_too(tmp_path):
    run = read_run(written(tmp_path, V5))
    assert run.series["train/loss"].value.tolist() == [0.21875]
    assert "val/loss" not in run.series


def test_a_part_that_is_nan_makes_the_sum_nan(tmp_path):
    run = read_run(written(tmp_path, V8.replace(" 2.0000", "    nan")))
    assert str(run.series["train/loss"].value.tolist()) == "[5.0, nan]"


@pytest.mark.parametrize(
    ("content", "expected"),
    [(V8, True), (V5, True), (CLASSIFY, False), ("epoch,train/box_loss\n1,2\n", False), ("epoch,loss\n1,2\n", False)],
)
def test_only_a_table_of_loss_parts_beside_scores_or_rates_is_yolos(content, expected):
    assert is_yolo_results("results.csv", content.encode()) is expected


def test_a_total_that_is_there_is_left_alone(tmp_path):
    run = read_run(written(tmp_path, CLASSIFY))
    assert run.series["train/loss"].value.tolist() == [2.0]
    assert run.texts == {}
