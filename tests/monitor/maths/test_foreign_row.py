"""A foreign last row is told from a second look at the same data, from noise, and from real progress."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.foreign_row import MINIMUM_ROWS_BEFORE, last_row

STEPS = np.arange(1, 13) * 100
LOSSES = np.array([1.0, 0.8, 0.7, 0.62, 0.6, 0.55, 0.56, 0.52, 0.5, 0.51, 0.48, 0.49])


def appended(step: int, value: float) -> bool:
    row = last_row(np.append(STEPS, step), np.append(LOSSES, value))
    assert row is not None
    return row.is_foreign()


@pytest.mark.parametrize("value", [0.2, 1.5])
@pytest.mark.parametrize("step", [1200, 1201, 1210])
def test_a_row_right_after_the_last_and_far_outside_is_foreign(step, value):
    assert appended(step, value)


def test_a_second_look_at_the_same_data_is_not():
    assert not appended(1201, 0.49)
    assert not appended(1201, 0.475)


def test_a_jump_at_the_usual_distance_may_be_real():
    assert not appended(1300, 0.2)


def test_the_distance_is_named_in_shares_of_the_usual_one():
    row = last_row(np.append(STEPS, 1205), np.append(LOSSES, 0.2))
    assert row is not None
    assert row.gap_share == pytest.approx(0.05)
    assert (row.step, row.value, row.previous_step, row.previous_value) == (1205, 0.2, 1200, 0.49)


def test_losses_that_cross_zero_are_judged_too():
    step, value = np.append(STEPS, 1201), np.append(LOSSES - 0.7, -2.0)
    row = last_row(step, value)
    assert row is not None
    assert row.is_foreign()


def test_too_few_rows_say_nothing():
    assert last_row(STEPS[:MINIMUM_ROWS_BEFORE], LOSSES[:MINIMUM_ROWS_BEFORE]) is None


def test_only_rows_since_the_last_restart_count():
    step = np.concatenate([STEPS, STEPS[:3], [301]])
    value = np.concatenate([LOSSES, LOSSES[:3], [0.01]])
    assert last_row(step, value) is None


def test_a_last_row_that_is_not_finite_is_no_row_of_other_data():
    assert last_row(np.append(STEPS, 1201), np.append(LOSSES, np.nan)) is None


@given(st.lists(st.floats(width=64), max_size=30), st.integers(-5, 5))
def test_any_values_give_an_answer_or_none(values, first):
    step = first + np.arange(len(values))
    row = last_row(step, np.array(values, dtype=np.float64))
    assert row is None or row.outside >= 0.0
