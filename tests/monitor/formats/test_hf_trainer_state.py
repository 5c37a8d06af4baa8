"""A Trainer's state gives its curves; its summary is no point of them; checkpoints are beginnings of one run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainvitals.errors import LogError
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.format import RunFiles
from trainvitals.formats.hf_trainer_state import read_trainer_state
from trainvitals.formats.read import read_run
from trainvitals.model import Run

SUMMARY = {
    "epoch": 1.0,
    "step": 100,
    "total_flos": 1e15,
    "train_loss": 2.5,
    "train_runtime": 60.0,
    "train_steps_per_second": 1.5,
}


def entries(*steps: int, offset: float = 0.0) -> list[dict[str, float]]:
    return [
        {"epoch": step / 100, "grad_norm": 1.0, "learning_rate": 1e-4, "loss": 3 - step / 100 + offset, "step": step}
        for step in steps
    ]


def write(folder: Path, history: list[dict[str, float]], **others: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    last = max((entry["step"] for entry in history), default=0)
    state = {"global_step": last, "max_steps": 1000, "log_history": history, **others}
    path = folder / "trainer_state.json"
    path.write_text(json.dumps(state))
    return path


def steps(run: Run, tag: str = "loss") -> list[int]:
    return run.series[tag].step.tolist()


def test_train_and_evaluation_entries_become_series_and_the_summary_a_setting(tmp_path):
    evaluation = {"epoch": 0.5, "eval_loss": 2.75, "eval_code_loss": 1.5, "eval_runtime": 3.0, "step": 50}
    write(tmp_path / "out", [*entries(10, 50), evaluation, *entries(100), SUMMARY])
    run = read_run(tmp_path / "out")
    assert (run.id, run.name, run.format) == ("out", "out", "hf-trainer-state")
    assert steps(run) == [10, 50, 100]
    assert run.series["eval_loss"].value.tolist() == [2.75]
    assert run.series["eval_code_loss"].step.tolist() == [50]
    assert "train_loss" not in run.series
    assert run.hyper_parameters["summary/train_loss"] == 2.5
    assert run.hyper_parameters["max_steps"] == 1000
    assert np.isnan(run.series["loss"].wall_time).all()


def test_bare_nan_and_infinity_are_values(tmp_path):
    path = write(tmp_path, entries(10, 20, 30))
    path.write_text(path.read_text().replace("2.8", "NaN").replace("2.7", "Infinity"))
    np.testing.assert_array_equal(read_run(path).series["loss"].value, [2.9, np.nan, np.inf])


def test_checkpoints_are_beginnings_of_one_run(tmp_path):
    for last in (100, 200, 300):
        write(tmp_path / f"checkpoint-{last}", entries(*range(10, last + 1, 10)))
    run = read_run(tmp_path)
    assert steps(run) == list(range(10, 301, 10))
    assert run.restarts == ()


def test_the_final_state_and_its_checkpoints_are_one_run(tmp_path):
    write(tmp_path / "checkpoint-50", entries(10, 50))
    write(tmp_path, [*entries(10, 50, 100), SUMMARY])
    assert [run.format for run in find_runs(tmp_path)] == ["hf-trainer-state"]
    assert steps(read_run(tmp_path)) == [10, 50, 100]


def test_a_branch_that_parted_from_the_longest_state_follows_it_as_a_restart(tmp_path):
    shared = entries(*range(10, 101, 10))
    write(tmp_path / "checkpoint-300", [*shared, *entries(*range(110, 301, 10))])
    write(tmp_path / "checkpoint-200", [*shared, *entries(*range(110, 201, 10), offset=0.5)])
    run = read_run(tmp_path)
    assert steps(run) == [*range(10, 301, 10), *range(110, 201, 10)]
    assert [(r.step, r.previous_step, r.kind) for r in run.restarts] == [(110, 300, "step-back")]


def test_one_checkpoint_alone_is_a_run_of_its_own(tmp_path):
    write(tmp_path / "checkpoint-50", entries(10, 50))
    write(tmp_path / "checkpoint-100", entries(10, 50, 100))
    assert steps(read_run(tmp_path / "checkpoint-50")) == [10, 50]


def test_a_state_that_breaks_off_gives_its_complete_entries(tmp_path):
    path = write(tmp_path, entries(10, 20, 30))
    path.write_text(path.read_text()[:-60])
    run = read_run(path)
    assert steps(run) == [10, 20]
    assert [problem.kind for problem in run.problems] == ["torn-tail"]


def test_a_corrupt_checkpoint_does_not_cost_the_run(tmp_path):
    write(tmp_path / "checkpoint-100", entries(50, 100))
    (tmp_path / "checkpoint-200").mkdir()
    (tmp_path / "checkpoint-200" / "trainer_state.json").write_text("{")
    run = read_run(tmp_path)
    assert steps(run) == [50, 100]
    assert [(p.kind, p.where) for p in run.problems] == [("unreadable-file", "checkpoint-200/trainer_state.json")]


def test_a_state_without_a_log_yet_is_a_run_without_points(tmp_path):
    assert read_run(write(tmp_path, [])).points == 0


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"log_history": 3}', "\0\0", "[" * 100_000, "nonsense"])
def test_what_is_no_state_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "trainer_state.json"
    path.write_text(content)
    with pytest.raises(LogError) as refused:
        read_run(path)
    assert "\n" not in str(refused.value)
    assert "mistake" not in str(refused.value)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
keys = st.sampled_from(["step", "loss", "epoch", "eval_loss", "train_runtime", "mode", "timestamp"])


@settings(max_examples=50)
@given(
    st.lists(st.one_of(st.dictionaries(keys, json_values, max_size=5), json_values), max_size=6), st.integers(0, 300)
)
def test_hostile_states_are_read_or_refused(tmp_path_factory, history, cut):
    path = tmp_path_factory.mktemp("state") / "trainer_state.json"
    text = json.dumps({"log_history": history, "global_step": history})
    path.write_text(text[:-cut] if cut else text)
    try:
        run = read_trainer_state(RunFiles(path.parent, "run", "hf-trainer-state", (("", path),)))
    except LogError:
        return
    assert all(len(series) > 0 for series in run.series.values())
