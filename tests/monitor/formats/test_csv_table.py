"""Tables of every make are read, damaged ones as far as they go, and nothing that was not written appears."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.errors import LogError
from trainvitals.formats.csv_layout import NotATableError
from trainvitals.formats.csv_table import is_csv_log
from trainvitals.formats.csv_text import parse_csv
from trainvitals.formats.read import read_run
from trainvitals.model import Run

PLAIN = "epoch,loss,val_loss\n0,3.5,4.5\n1,2.5,3.5\n2,1.5,2.5\n"
PRINTED_TENSORS = (
    "Epoch,Train_loss,Val_loss\n"
    "1,\"tensor(3.5, device='cuda:0', grad_fn=<DivBackward0>)\",\"tensor(4.5, device='cuda:0')\"\n"
    "2,\"tensor(nan, device='cuda:0', grad_fn=<DivBackward0>)\",\"tensor(3.5, device='cuda:0')\"\n"
)


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(content: str | bytes, name: str = "log.csv") -> Run:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_run(path)

    return write_and_read


def points(run: Run, tag: str) -> list[tuple[int, float]]:
    series = run.series[tag]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def kinds(run: Run) -> dict[str, int]:
    return {problem.kind: problem.count for problem in run.problems}


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", "    ").replace("\n", "  \n"),
        PLAIN.replace(",", " , "),
        PLAIN.replace(",", ";").replace(".", ","),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.replace("epoch,loss,val_loss", '"epoch","loss","val_loss"'),
        PLAIN.replace("2.5", '"2.5"'),
        PLAIN.rstrip("\n"),
        "# made by hand\n" + PLAIN,
        PLAIN.replace("1,2.5", "# paused\n1,2.5"),
        "# " + PLAIN,
        "Training log of a model\n\n" + PLAIN,
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("\n", ",\n").replace("val_loss,\n", "val_loss\n"),
        PLAIN.replace("\n", "\n\n"),
        "val_loss,loss,epoch\n4.5,3.5,0\n3.5,2.5,1\n2.5,1.5,2\n",
        ",epoch,loss,val_loss\n0,0,3.5,4.5\n1,1,2.5,3.5\n2,2,1.5,2.5\n",
        PLAIN.replace("3.5,4.5", "tensor(3.5000),\"tensor(4.5, device='cuda:0')\""),
    ],
    ids=[
        "plain",
        "crlf",
        "crcrlf",
        "cr",
        "semicolon",
        "tab",
        "bar",
        "blanks",
        "padded",
        "decimal-comma",
        "byte-order-mark",
        "utf-16",
        "quoted-header",
        "quoted-cell",
        "no-last-newline",
        "comment-above",
        "comment-inside",
        "commented-header",
        "title-above",
        "delimiter-at-the-end",
        "delimiter-at-the-end-of-rows",
        "blank-lines",
        "val-first",
        "row-numbers",
        "tensors",
    ],
)
def test_the_same_table_in_any_writing_is_the_same_run(read, content):
    run = read(content)
    assert points(run, "loss") == [(0, 3.5), (1, 2.5), (2, 1.5)]
    assert points(run, "val_loss") == [(0, 4.5), (1, 3.5), (2, 2.5)]
    assert run.problems == ()
    assert run.restarts == ()
    assert set(run.series) == {"loss", "val_loss"}


def test_lightning_rows_give_train_and_validation_their_own_steps(read):
    run = read("epoch,step,train_loss,val_loss\r\n0,49,3.0,\r\n0,99,2.0,\r\n0,99,,4.0\r\n1,149,1.0,\r\n", "metrics.csv")
    assert run.format == "lightning-csv"
    assert points(run, "train_loss") == [(49, 3.0), (99, 2.0), (149, 1.0)]
    assert points(run, "val_loss") == [(99, 4.0)]
    assert points(run, "epoch") == [(49, 0.0), (99, 0.0), (99, 0.0), (149, 1.0)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PLAIN, "keras-csv"),
        ("val_loss,val_accuracy,loss,accuracy\n1,0.5,1,0.5\n1,0.5,1,0.5\n", "keras-csv"),
        ("grad_norm,loss,step\n1,2,0\n1,1,10\n", "csv"),
    ],
)
def test_the_logger_is_told_from_the_columns(read, content, expected):
    assert read(content).format == expected


def test_without_a_step_column_the_rows_are_counted(read):
    assert points(read("val_loss,loss\n4.0,3.0\n3.0,2.0\n"), "loss") == [(0, 3.0), (1, 2.0)]


def test_without_a_header_a_named_file_is_read_all_the_same(read):
    run = read("0,3.5\n1,2.5\n")
    assert points(run, "column 2") == [(0, 3.5), (1, 2.5)]


def test_written_nan_and_infinity_are_values_and_words_for_nothing_are_none(read):
    run = read("step,loss,a\n1,2.0,None\n2,inf,1\n3,-Infinity,N/A\n4,NaN,2\n5,nan,null\n")
    np.testing.assert_array_equal(run.series["loss"].value, [2.0, np.inf, -np.inf, np.nan, np.nan])
    assert points(run, "a") == [(2, 1.0), (4, 2.0)]


def test_a_restart_that_goes_back_without_a_word_is_told(read):
    rows = "".join(f"{step},{1 / (step + 1)}\n" for step in [*range(0, 100, 10), *range(50, 150, 10)])
    run = read("step,loss\n" + rows)
    assert [(r.step, r.previous_step, r.kind, r.where) for r in run.restarts] == [(50, 90, "step-back", "log.csv")]
    assert len(run.series["loss"]) == 20


def test_a_header_written_again_is_a_restart_and_may_bring_new_columns(read):
    again = read(PLAIN + PLAIN)
    assert [(r.step, r.previous_step, r.kind) for r in again.restarts] == [(0, 2, "step-back")]
    assert [step for step, _ in points(again, "loss")] == [0, 1, 2, 0, 1, 2]
    onward = read(PLAIN + "epoch,loss,val_loss,lr\n3,1.0,2.0,0.1\n4,0.5,1.5,0.1\n")
    assert [(r.step, r.previous_step, r.kind) for r in onward.restarts] == [(3, 2, "session")]
    assert points(onward, "lr") == [(3, 0.1), (4, 0.1)]
    assert len(onward.series["loss"]) == 5


@pytest.mark.parametrize("tail", ["3,0.", "3", "3,0.5,", "3,0.5,1"])
def test_a_last_line_cut_short_is_left_out_and_reported(read, tail):
    run = read(PLAIN.replace(".5", ".512345") + tail)
    assert [step for step, _ in points(run, "val_loss")] == [0, 1, 2]
    assert kinds(run) == {"torn-tail": 1}


def test_damage_inside_is_counted_and_the_rest_is_read(read):
    run = read(PLAIN + "3,0.93,0.55,0.84,0.3\n4,oops,1.5\n5,0.5,1.25\n")
    assert points(run, "val_loss") == [(0, 4.5), (1, 3.5), (2, 2.5), (4, 1.5), (5, 1.25)]
    assert [step for step, _ in points(run, "loss")] == [0, 1, 2, 5]
    assert kinds(run) == {"bad-row": 1, "bad-cell": 1}


def test_zero_bytes_left_by_a_crash_do_not_cost_the_table(read):
    run = read(PLAIN.encode() + b"\n" * 2000 + b"\0" * 4096)
    assert len(run.series["loss"]) == 3
    assert kinds(run) == {"nul-bytes": 4096}


def test_a_quote_that_never_ends_does_not_swallow_the_table(read):
    run = read(PLAIN.replace("1,2.5,3.5", '1,"2.5,3.5'))
    assert {(0, 3.5), (2, 1.5)} <= set(points(run, "loss"))


def test_rows_shorter_than_the_header_lack_what_they_lack(read):
    run = read("step,loss,val_loss\n1,3.0\n2,2.0\n3,1.0,4.0\n")
    assert points(run, "val_loss") == [(3, 4.0)]
    assert len(run.series["loss"]) == 3


def test_columns_of_one_name_stay_apart(read):
    assert {"loss", "loss (2)"} <= set(read("step,loss,loss\n1,2,3\n2,1,2\n").series)


def test_a_table_that_its_file_name_alone_calls_losses_is_read_by_the_parts_of_data(tmp_path):
    (tmp_path / "losses.csv").write_text("ep,train,valid,total\n1,3.0,4.0,7.0\n2,2.0,3.0,5.0\n")
    run = read_run(tmp_path)
    assert points(run, "train") == [(1, 3.0), (2, 2.0)]
    assert points(run, "valid") == [(1, 4.0), (2, 3.0)]


def test_a_table_downloaded_from_tensorboard_carries_its_tag_in_its_name(read):
    run = read("Wall time,Step,Value\n1700000000.5,10,3.0\n1700000001.5,20,2.0\n", "run-exp1-tag-Loss_train.csv")
    assert points(run, "Loss_train") == [(10, 3.0), (20, 2.0)]
    assert run.series["Loss_train"].wall_time.tolist() == [1700000000.5, 1700000001.5]


def test_a_header_without_rows_is_a_run_without_points(read):
    assert read("epoch,loss\n").points == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"PK\x03\x04\x00\x00\x00", "binary"),
        (b"hello world\nthis is prose, and more of it\n", "without numbers"),
        (b"name,colour\na,red\nb,blue\n", "without numbers"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_in_one_line(read, content, text):
    with pytest.raises(LogError, match=text) as refused:
        read(content)
    assert "\n" not in str(refused.value)
    assert "mistake" not in str(refused.value)
    assert "log.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("log.csv", PLAIN, True),
        ("training.log", PLAIN, True),
        ("anything.tsv", PLAIN.replace(",", "\t"), True),
        ("log.csv", "val_loss,loss\n4.0,3.0\n", True),
        ("metrics.csv", "epoch,step,train_whatever\n0,10,3.0\n", True),
        ("metrics.csv", "epoch,step,train_loss\n", True),
        ("a.csv", "Wall time,Step,Value\n1,2,3\n", True),
        ("losses.csv", PRINTED_TENSORS, True),
        ("log.csv", PLAIN.replace("\n", "\n<<<<<<< HEAD\n", 1), True),
        ("losses.csv", "ep,train,valid,total\n1,3.0,4.0,7.0\n2,2.0,3.0,5.0\n", True),
        ("scores.csv", "ep,train,valid,total\n1,3.0,4.0,7.0\n2,2.0,3.0,5.0\n", False),
        ("losses.csv", "year,train,ship\n1999,3.0,4.0\n2000,2.0,3.0\n", False),
        ("iris.csv", "sepal_length,sepal_width,species\n5.1,3.5,setosa\n", False),
        ("prices.csv", "date,open,close,volume\n2020-01-01,1,2,3\n", False),
        ("leaderboard.csv", "model,accuracy,loss\nresnet,0.9,0.3\nvit,0.8,0.4\n", False),
        ("people.csv", "name,age\nann,3\n", False),
        ("train.csv", "PassengerId,Survived,Age\n1,0,22\n", False),
        ("notes.txt", "The loss went down after step 3, which is good.\n", False),
        ("log.csv", "epoch,phase\n1,warm\n2,cold\n", False),
        ("log.py", PLAIN, False),
        ("log.csv", "", False),
    ],
)
def test_in_a_tree_only_training_logs_are_taken_for_such(name, content, expected):
    assert is_csv_log(name, content.encode()) is expected


numbers = st.one_of(st.integers(-100, 10**6).map(str), st.floats(allow_nan=False).map(repr))
hostile_cells = st.one_of(numbers, st.sampled_from(["", "nan", "inf", '"', "a", "epoch", "#", "\0", " ", "1,5", "\t"]))
hostile_rows = st.lists(st.lists(hostile_cells, max_size=5), max_size=8)


@given(
    hostile_rows,
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from(["\n", "\r\n", "\r\r\n", "\r"]),
    st.booleans(),
)
def test_hostile_tables_give_only_numbers_that_are_in_them(rows, delimiter, newline, header):
    lines = [delimiter.join(row) for row in rows]
    content = newline.join(["epoch" + delimiter + "loss", *lines] if header else lines)
    try:
        parsed = parse_csv(content.encode(), "log.csv")
    except NotATableError:
        return
    for column in parsed.table.numbers.values():
        for value in column.value[column.recorded & np.isfinite(column.value)]:
            assert is_written_in(content, float(value))


def is_written_in(content: str, value: float) -> bool:
    """Slow and obvious: some stretch of the text, with a decimal comma or a point, reads as this number."""
    for sign in (",", "."):
        text = content.replace(sign, ".")
        for start in range(len(text)):
            for end in range(start + 1, min(len(text), start + 26) + 1):
                try:
                    if math.isclose(float(text[start:end]), value, rel_tol=1e-14):
                        return True
                except ValueError:
                    continue
    return False


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_are_refused(data):
    try:
        table = parse_csv(data, "log.csv").table
    except NotATableError:
        return
    assert all(len(column.value) == table.rows for column in table.numbers.values())


@given(st.integers(0, len(PLAIN)), st.binary(max_size=6))
def test_a_table_broken_anywhere_is_read_or_refused(at, garbage):
    data = PLAIN.encode()
    try:
        parsed = parse_csv(data[:at] + garbage, "log.csv")
    except NotATableError:
        return
    assert parsed.table.rows <= 5
