"""From columns to a run: which column counts steps, which cells hold values, and what becomes a series."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.errors import LogError
from trainvitals.formats.columns import run_from_columns
from trainvitals.model import Run

NAN = float("nan")


def points(run: Run, tag: str) -> list[tuple[int, float]]:
    series = run.series[tag]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def steps(run: Run, tag: str) -> list[int]:
    return run.series[tag].step.tolist()


@pytest.mark.parametrize(
    "name", ["step", "Step", "global_step", "trainer/global_step", "iteration", "iter", "current_steps", "Epoch"]
)
def test_the_step_column_is_found_by_its_name(name):
    run = run_from_columns({"loss": [3.0, 2.0, 1.0], name: [10, 20, 30]})
    assert points(run, "loss") == [(10, 3.0), (20, 2.0), (30, 1.0)]
    assert list(run.series) == ["loss"]


def test_beside_a_step_the_epoch_stays_a_series():
    run = run_from_columns({"epoch": [0, 0, 1], "step": [5, 10, 15], "loss": [3.0, 2.0, 1.0]})
    assert steps(run, "loss") == [5, 10, 15]
    assert points(run, "epoch") == [(5, 0.0), (10, 0.0), (15, 1.0)]


def test_without_a_step_column_the_rows_are_counted():
    assert steps(run_from_columns({"loss": [3.0, 2.0, 1.0]}), "loss") == [0, 1, 2]


def test_an_epoch_that_stands_for_many_rows_does_not_count_them():
    run = run_from_columns({"epoch": [0, 0, 0, 1, 1, 1], "loss": [6.0, 5, 4, 3, 2, 1]})
    assert steps(run, "loss") == [0, 1, 2, 3, 4, 5]
    assert run.series["epoch"].value.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_fractional_epoch_does_not_count_steps():
    run = run_from_columns({"epoch": [0.5, 1.0, 1.5], "loss": [3.0, 2.0, 1.0]})
    assert steps(run, "loss") == [0, 1, 2]


def test_an_iteration_that_begins_anew_in_each_epoch_is_joined_with_the_epoch():
    epoch = [1, 1, 1, 2, 2, 2, 3, 3]
    iteration = [0, 50, 100, 0, 50, 100, 0, 50]
    run = run_from_columns({"epoch": epoch, "iter": iteration, "loss": np.arange(8.0)})
    assert steps(run, "loss") == [0, 50, 100, 150, 200, 250, 300, 350]
    assert run.restarts == ()


def test_a_batch_number_without_an_epoch_is_no_count_of_steps():
    run = run_from_columns({"batch": [0, 1, 2] * 3, "loss": np.arange(9.0)})
    assert steps(run, "loss") == list(range(9))
    assert run.restarts == ()


def test_of_several_counts_the_one_over_the_whole_run_wins():
    counts = {"time/iterations": [1, 2], "time/total_timesteps": [2048, 4096], "train/n_updates": [10, 20]}
    run = run_from_columns({**counts, "train/loss": [2.0, 1.0]})
    assert points(run, "train/loss") == [(2048, 2.0), (4096, 1.0)]


def test_a_restart_is_not_taken_for_a_new_epoch():
    step = [*range(0, 100, 10), *range(50, 150, 10)]
    run = run_from_columns({"epoch": [s // 25 for s in step], "step": step, "loss": np.arange(20.0)})
    assert steps(run, "loss") == step
    assert [(r.step, r.previous_step, r.kind) for r in run.restarts] == [(50, 90, "step-back")]


def test_a_column_named_step_that_never_changes_is_not_the_step():
    run = run_from_columns({"step": [7, 7, 7], "epoch": [0, 1, 2], "loss": [3.0, 2.0, 1.0]})
    assert steps(run, "loss") == [0, 1, 2]


def test_a_row_without_a_step_stands_where_the_row_before_it_stood():
    run = run_from_columns({"step": [10, NAN, 20, NAN], "loss": [3.0, NAN, 2.0, NAN], "val_loss": [NAN, 4, NAN, 3]})
    assert points(run, "val_loss") == [(10, 4.0), (20, 3.0)]


def test_the_named_step_column_wins():
    run = run_from_columns({"step": [1, 2], "tokens": [100, 200], "loss": [2.0, 1.0]}, step="tokens")
    assert steps(run, "loss") == [100, 200]


def test_rows_of_train_and_validation_give_each_metric_its_own_steps():
    run = run_from_columns(
        {"step": [0, 10, 10, 20, 20], "train_loss": [3, 2, NAN, 1, NAN], "val_loss": [NAN, NAN, 4, NAN, 3]}
    )
    assert points(run, "train_loss") == [(0, 3.0), (10, 2.0), (20, 1.0)]
    assert points(run, "val_loss") == [(10, 4.0), (20, 3.0)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"loss": [3, 2, NAN, NAN]}, [3, 2, NAN, NAN]),
        ({"loss": [3, NAN, 2]}, [3, NAN, 2]),
        ({"loss": [3, 2, NAN], "lr": [1, 1, 1]}, [3, 2, NAN]),
        ({"loss": [3, 2, NAN, NAN], "val_loss": [3, 2, NAN, NAN], "acc": [0, 0, 0, 0]}, [3, 2, NAN, NAN]),
        ({"loss": [3, 2, 1, NAN, NAN], "val_loss": [3, 2, NAN, NAN, NAN]}, [3, 2, 1, NAN, NAN]),
        ({"loss": [NAN, NAN, 3, NAN, NAN, 2]}, [3, 2]),
        ({"loss": [3, *[NAN] * 9, 2, *[NAN] * 9], "lr": [1] * 20}, [3, 2]),
        ({"loss": [3, *[NAN] * 9], "lr": [1] * 10}, [3]),
        ({"loss": [3, 2, 1, NAN], "val_loss": [4, 3, 2, 1]}, [3, 2, 1]),
        ({"loss": [3, 2, NAN, 1, 1, NAN], "val_loss": [NAN, NAN, 4, NAN, NAN, 3]}, [3, 2, 1, 1]),
        ({"loss": [3, 2, 1, *[NAN] * 5], "d_loss": [1.0] * 8}, [3, 2, 1]),
    ],
    ids=[
        "went-nan",
        "one-nan",
        "last-row-nan",
        "both-losses-went-nan",
        "one-after-the-other",
        "every-third-row",
        "every-tenth-row",
        "every-tenth-row-so-far",
        "final-evaluation",
        "rows-of-two-kinds",
        "switched-off",
    ],
)
def test_an_empty_cell_is_a_nan_only_where_the_logging_of_that_metric_says_so(columns, expected):
    run = run_from_columns({"epoch": range(len(columns["loss"])), **columns})
    np.testing.assert_array_equal(run.series["loss"].value, expected)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (["0.5", "nan", "nan", "nan"], [0.5, NAN, NAN, NAN]),
        (["0.5", "nan", "0.4", ""], [0.5, NAN, 0.4]),
        (["nan", "nan", "nan", "0.5"], [0.5]),
        (["0.5", *["nan"] * 4, "0.4", *["nan"] * 4, "0.3", "nan"], [0.5, 0.4, 0.3]),
        (["nan", "nan"], [NAN, NAN]),
    ],
    ids=["went-nan", "one-nan", "not-measured-yet", "measured-now-and-then", "nan-from-the-start"],
)
def test_a_nan_that_was_written_as_text_is_a_value_unless_it_fills_rows_without_a_measurement(loss, expected):
    run = run_from_columns({"epoch": range(len(loss)), "loss": loss, "acc": [0.0] * len(loss)})
    np.testing.assert_array_equal(run.series["loss"].value, expected)


def test_a_written_nan_of_a_loss_measured_once_so_far_beside_a_healthy_one_is_a_filler():
    run = run_from_columns({"epoch": range(4), "loss": [4.0, 3, 2, 1], "val_loss": ["0.9", "nan", "nan", "nan"]})
    assert run.series["val_loss"].value.tolist() == [0.9]


def test_a_column_that_says_train_or_val_divides_the_metrics():
    run = run_from_columns(
        {
            "epoch": [0, 0, 1, 1],
            "phase": ["train", "Valid", "train", "Valid"],
            "loss": [3, 4, 2, 3],
            "lr": [1, NAN, 1, NAN],
        }
    )
    assert points(run, "train/loss") == [(0, 3.0), (1, 2.0)]
    assert points(run, "val/loss") == [(0, 4.0), (1, 3.0)]
    assert "val/lr" not in run.series


def test_a_long_table_gives_one_series_a_tag():
    original = run_from_columns({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "acc": [0.1, NAN, 0.3]})
    again = run_from_columns(original.to_pandas())
    for tag in ("loss", "acc"):
        np.testing.assert_array_equal(points(again, tag), points(original, tag))


def test_moments_become_wall_time_and_durations_stay_a_metric():
    run = run_from_columns({"step": [1, 2], "timestamp": [1.7e12, 1.7e12 + 5000], "time": [1.5, 3.0], "loss": [2, 1]})
    assert run.series["loss"].wall_time.tolist() == [1.7e9, 1.7e9 + 5]
    assert run.series["time"].value.tolist() == [1.5, 3.0]
    dated = run_from_columns({"step": [1, 2], "date": ["2024-01-01T00:00:00", "2024-01-01T00:01:00"], "loss": [2, 1]})
    assert dated.series["loss"].wall_time.tolist() == [1704067200.0, 1704067260.0]


def test_a_table_with_the_last_step_first_is_read_backwards_and_says_so():
    run = run_from_columns({"step": [30, 20, 10], "loss": [1.0, 2.0, 3.0]})
    assert points(run, "loss") == [(10, 3.0), (20, 2.0), (30, 1.0)]
    assert [problem.kind for problem in run.problems] == ["newest-first"]


def test_a_data_frame_is_read_with_its_named_index():
    frame = pandas.DataFrame({"loss": [2.0, 1.0], "stage": ["a", "b"]}, index=pandas.Index([5, 10], name="step"))
    run = run_from_columns(frame, name="mine")
    assert points(run, "loss") == [(5, 2.0), (10, 1.0)]
    assert (run.name, run.id, run.format) == ("mine", "mine", "columns")


def test_nullable_pandas_columns_are_read():
    frame = pandas.DataFrame(
        {"step": pandas.array([1, 2, 3], "Int64"), "loss": pandas.array([1.0, None, 0.5], "Float64")}
    )
    assert steps(run_from_columns(frame), "loss")[0] == 1


def test_infinite_values_are_kept():
    assert run_from_columns({"loss": [1.0, np.inf, -np.inf]}).series["loss"].value.tolist() == [1.0, np.inf, -np.inf]


@pytest.mark.parametrize(
    ("columns", "step", "text"),
    [
        ({"a": [1, 2], "b": [1]}, None, "columns differ in length: 'b' has 1, 'a' has 2"),
        ({"a": [1, 2]}, "b", "no column 'b'"),
        ({"a": [0.5, 2], "b": [1, 2]}, "a", "whole numbers"),
        ({"a": [[1, 2], [3, 4]]}, None, "one-dimensional"),
        ({"a": [[1, 2], [3]]}, None, "one-dimensional"),
        ({"a": 1.0}, None, "one-dimensional"),
    ],
)
def test_what_cannot_be_a_run_is_refused_in_one_line(columns, step, text):
    with pytest.raises(LogError, match=text) as refused:
        run_from_columns(columns, step=step)
    assert "\n" not in str(refused.value)


cells = st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=5), st.booleans())
names = st.sampled_from(["step", "epoch", "loss", "val_loss", "time", "mode", "tag", "iter", "", "index", "wall_time"])


@given(st.integers(0, 6).flatmap(lambda n: st.dictionaries(names, st.lists(cells, min_size=n, max_size=n))))
def test_hostile_columns_give_a_run_whose_values_were_all_in_them(columns):
    run = run_from_columns(columns)
    given_numbers = set()
    for column in columns.values():
        for cell in column:
            try:
                given_numbers.add(float(cell))
            except (TypeError, ValueError, OverflowError):
                continue
    for series in run.series.values():
        assert set(series.value[~np.isnan(series.value)].tolist()) <= given_numbers
