"""JSON logs of any shape are read, damaged ones as far as they go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainvitals.errors import LogError
from trainvitals.formats.columns import Origin, run_from_table
from trainvitals.formats.json_lines import is_json_log, table_of_json
from trainvitals.formats.read import read_run
from trainvitals.model import Run

ROWS = [{"step": 10, "loss": 3.0}, {"step": 20, "loss": 2.0}, {"step": 30, "loss": 1.0}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(content: str | bytes, name: str = "log.jsonl") -> Run:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_run(path)

    return write_and_read


def points(run: Run, tag: str = "loss") -> list[tuple[int, float]]:
    series = run.series[tag]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.jsonl", LINES),
        ("log.jsonl", LINES.rstrip()),
        ("log.jsonl", "\ufeff" + LINES.replace("\n", "\r\n")),
        ("log.txt", LINES),
        ("history.json", json.dumps(ROWS)),
        ("history.json", json.dumps(ROWS, indent=2)),
        ("history.json", json.dumps({"step": [10, 20, 30], "loss": [3.0, 2.0, 1.0]})),
        ("log.json", LINES.replace("}\n", "},\n")),
        ("log.jsonl", LINES.replace("3.0", '"3.0"').replace("20", '"20"')),
    ],
    ids=["lines", "no-last-newline", "bom-crlf", "text", "list", "indented", "lists", "commas", "numbers-as-text"],
)
def test_the_same_log_in_any_shape_is_the_same_run(read, name, content):
    run = read(content, name)
    assert points(run) == [(10, 3.0), (20, 2.0), (30, 1.0)]
    assert run.problems == ()
    assert is_json_log(name, content.encode())


def test_a_llama_factory_log_is_read(read):
    row = {"current_steps": 5, "total_steps": 100, "loss": 2.5, "lr": 1e-6, "epoch": 0.01, "elapsed_time": "0:32:48"}
    run = read(
        json.dumps(row) + "\n" + json.dumps({**row, "current_steps": 10, "loss": 2.25}) + "\n", "trainer_log.jsonl"
    )
    assert points(run) == [(5, 2.5), (10, 2.25)]
    assert run.format == "jsonl"
    assert "elapsed_time" not in run.series


def test_nested_objects_are_joined_and_nan_is_a_value(read):
    run = read('{"step": 1, "train": {"loss": {"total": 2.0}}}\n{"step": 2, "train": {"loss": {"total": NaN}}}\n')
    np.testing.assert_array_equal(run.series["train/loss/total"].value, [2.0, np.nan])


def test_rows_that_say_train_or_val_are_kept_apart(read):
    rows = [
        ("train", 1, 50, 3.0),
        ("train", 1, 100, 2.5),
        ("val", 1, 20, 4.0),
        ("train", 2, 50, 2.0),
        ("train", 2, 100, 1.5),
        ("val", 2, 20, 3.0),
    ]
    run = read(
        "".join(json.dumps(dict(zip(("mode", "epoch", "iter", "loss"), row, strict=True))) + "\n" for row in rows)
    )
    assert points(run, "train/loss") == [(50, 3.0), (100, 2.5), (150, 2.0), (200, 1.5)]
    assert run.series["val/loss"].value.tolist() == [4.0, 3.0]
    assert run.restarts == ()


def test_absolute_times_become_wall_time(read):
    run = read(
        '{"_step": 1, "_timestamp": 1700000000.5, "loss": 1}\n{"_step": 2, "_timestamp": 1700000009.5, "loss": 2}\n'
    )
    assert run.series["loss"].wall_time.tolist() == [1700000000.5, 1700000009.5]
    assert set(run.series) == {"loss"}


def test_null_is_an_empty_cell_and_a_key_that_is_not_there_is_nothing(read):
    gone = [{"step": i, "loss": 1.0 if i < 3 else None, "lr": 0.1} for i in range(6)]
    absent = [{"step": i, "lr": 0.1, **({"loss": 1.0} if i < 3 else {})} for i in range(6)]
    assert len(read("".join(json.dumps(row) + "\n" for row in gone)).series["loss"]) == 6
    assert len(read("".join(json.dumps(row) + "\n" for row in absent)).series["loss"]) == 3


def test_a_restart_is_kept_in_the_order_of_recording_and_told(read):
    rows = [{"step": step, "loss": 1.0} for step in [*range(0, 100, 10), *range(50, 150, 10)]]
    run = read("".join(json.dumps(row) + "\n" for row in rows))
    assert [(r.step, r.previous_step, r.kind) for r in run.restarts] == [(50, 90, "step-back")]
    assert len(run.series["loss"]) == 20


def test_garbage_and_a_torn_last_line_are_counted_and_the_rest_is_read(read):
    run = read("starting up\n" + LINES + 'WARNING: slow\n[1, 2]\n{"step": 40, "lo')
    assert points(run) == [(10, 3.0), (20, 2.0), (30, 1.0)]
    assert {problem.kind: problem.count for problem in run.problems} == {"bad-row": 3, "torn-tail": 1}


def test_a_list_that_breaks_off_gives_its_complete_rows(read):
    run = read(json.dumps(ROWS)[:-8], "history.json")
    assert points(run) == [(10, 3.0), (20, 2.0)]
    assert [problem.kind for problem in run.problems] == ["torn-tail"]


@pytest.mark.parametrize(
    "content",
    ["{", "[", "[]", "{}", '{"a": "b"}\n{"a": "c"}\n', "[" * 100_000, '{"a":' * 100_000, "[1, 2, 3]", '{"step": 1e'],
)
def test_what_has_no_numbers_is_refused_in_one_line(read, content):
    with pytest.raises(LogError) as refused:
        read(content)
    assert "\n" not in str(refused.value)
    assert "mistake" not in str(refused.value)
    assert "log.jsonl" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", '{"learning_rate": 0.1, "loss": 2, "steps": 100}'),
        ("annotations.json", '{"images": [{"id": 1, "width": 640}], "annotations": []}'),
        ("package.json", '{\n  "name": "x",\n  "version": "1.0"\n}'),
        ("data.jsonl", '{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n'),
        ("scores.jsonl", '{"id": "a", "accuracy": 1}\n{"id": "b", "accuracy": 0}\n'),
        ("points.json", "[[1, 2], [3, 4]]"),
        ("log.py", LINES),
        ("all_results.json", '{\n  "epoch": 1.0,\n  "eval_loss": 2.5\n}'),
        ("empty.json", ""),
    ],
)
def test_in_a_tree_other_json_is_not_taken_for_a_log(name, content):
    assert not is_json_log(name, content.encode())


def test_a_long_history_is_known_by_its_beginning():
    content = json.dumps({"loss": [0.123456] * 10_000, "val_loss": [0.1] * 10_000}).encode()
    assert is_json_log("history.json", content[:16_384])
    assert not is_json_log("boxes.json", content.replace(b"loss", b"area")[:16_384])


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
keys = st.sampled_from(["step", "loss", "epoch", "val_loss", "mode", "timestamp", "tag", "", "iter"])


@settings(max_examples=50)
@given(
    st.lists(st.dictionaries(keys, json_values, max_size=5), max_size=6),
    st.sampled_from(["lines", "list"]),
    st.integers(0, 60),
    st.text(max_size=4),
)
def test_hostile_logs_are_read_and_no_value_is_invented(rows, shape, cut, garbage):
    text = json.dumps(rows) if shape == "list" else "\n".join(json.dumps(row) for row in rows)
    whole = not cut and not garbage
    table, problems = table_of_json((text[:-cut] if cut else text) + garbage, "log.jsonl")
    run = run_from_table(table, Origin("log.jsonl", "log", "jsonl"))
    assert not (whole and problems)
    if whole:
        given_numbers = set(_numbers(rows))
        for series in run.series.values():
            assert set(series.value[~np.isnan(series.value)].tolist()) <= given_numbers


def _numbers(value: object):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    else:
        try:
            yield float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return
