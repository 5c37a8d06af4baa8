"""The range of the value axis keeps what can be read, and says what it leaves out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.figures.value_range import value_range

finite = st.floats(allow_nan=False, allow_infinity=False)


def test_a_first_value_thousands_of_times_the_rest_is_left_out_and_told() -> None:
    ends = value_range([np.array([9000.0, 3.0, 2.5, 2.2, 2.1, 2.0])])
    assert ends is not None
    assert ends.high < 4
    assert (ends.above, ends.greatest) == (1, 9000.0)


def test_a_usual_descent_is_shown_whole() -> None:
    ends = value_range([2 + 9 * np.exp(-np.arange(1000) / 50)])
    assert ends is not None
    assert (ends.above, ends.below) == (0, 0)
    assert ends.high > 11
    assert ends.low < 2


def test_every_curve_is_readable_whatever_the_others_are() -> None:
    """Each curve has a middle of its own."""
    ends = value_range([np.linspace(1, 2, 50), np.linspace(1000, 2000, 50)])
    assert ends is not None
    assert ends.low < 1
    assert ends.high > 2000


def test_a_logarithmic_axis_leaves_out_nothing_but_what_it_cannot_show() -> None:
    ends = value_range([np.array([-1.0, 0.0, 0.01, 1e9])], log=True)
    assert ends is not None
    assert ends.low < -2
    assert ends.high > 9
    assert value_range([np.array([-1.0, 0.0])], log=True) is None


@pytest.mark.parametrize("curves", [[], [np.empty(0)]])
def test_without_values_there_is_no_range(curves: list[np.ndarray]) -> None:
    assert value_range(curves) is None


@given(st.lists(st.lists(finite, max_size=30), min_size=1, max_size=3), st.booleans())
def test_any_range_is_one_and_what_it_leaves_out_is_counted(curves: list[list[float]], log: bool) -> None:
    ends = value_range([np.array(curve) for curve in curves], log=log)
    if ends is None:
        assert not any(value > 0 if log else True for curve in curves for value in curve)
        return
    assert math.isfinite(ends.low)
    assert ends.low < ends.high < math.inf
    if not log:
        together = np.concatenate([np.array(curve) for curve in curves])
        assert np.count_nonzero((together < ends.low) | (together > ends.high)) <= ends.above + ends.below
