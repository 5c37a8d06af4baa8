"""Where a smooth descent broke off, where a flat part begins, and where a series froze to one value."""

import numpy as np
import pytest
import ruptures
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from tests.monitor.maths.made_noise import autoregressive

from trainvitals.maths.changepoint import broken_residuals, constant_tail, find_onset, find_soft_break
from trainvitals.maths.forecast import EXPONENTS

TIME = np.arange(10.0, 70.0)
DESCENT = 2.0 + 6.0 * TIME**-0.4
FIRST, MARGIN = 10, 8


def frozen(at, sd, seed):
    value = np.where(np.arange(60) < at, DESCENT, DESCENT[at])
    return value + autoregressive(np.random.default_rng(seed), 60, 0.3, sd=sd)


def search(value):
    return find_soft_break(TIME, value, ("power",), first=FIRST, last_margin=MARGIN)


def slow_break(value):
    """Every place tried with every exponent, by library routines."""

    def power_sse(count):
        t = TIME[:count] / TIME[-1]
        return min(nnls(np.column_stack([np.ones(count), t**-c]), value[:count])[1] ** 2 for c in EXPONENTS)

    def line_sse(start):
        residuals = value[start:] - np.polyval(np.polyfit(TIME[start:], value[start:], 1), TIME[start:])
        return float(residuals @ residuals)

    places = range(FIRST, len(value) - MARGIN + 1)
    return min(places, key=lambda q: power_sse(q) + line_sse(q))


@pytest.mark.parametrize(("at", "seed"), [(20, 0), (30, 1), (45, 2)])
def test_the_fast_search_finds_the_place_of_the_slow_one(at, seed):
    value = frozen(at, 0.01, seed)
    assert search(value).index == slow_break(value)


@pytest.mark.parametrize("at", [20, 30, 40])
def test_a_freeze_is_found_where_ruptures_finds_the_kink(at):
    value = frozen(at, 0.004, at)
    near = slice(at - 10, at + 10)
    kink = ruptures.Dynp(model="clinear", min_size=3, jump=1).fit(value[near].reshape(-1, 1)).predict(n_bkps=1)[0]
    found = search(value)
    assert found.accepted
    assert abs(found.index - at) <= 3
    assert abs(found.index - (kink + at - 10)) <= 4


def test_a_power_law_with_correlated_noise_rarely_breaks():
    accepted = 0
    for seed in range(100):
        value = DESCENT + autoregressive(np.random.default_rng(seed), 60, 0.5, sd=0.02)
        accepted += search(value).accepted
    assert accepted <= 8


def test_an_exact_law_does_not_break_on_rounding():
    assert not search(DESCENT).accepted


def test_a_series_too_short_to_split_is_not_searched():
    assert find_soft_break(TIME[:15], DESCENT[:15], ("power",), first=FIRST, last_margin=MARGIN) is None


def test_residuals_of_the_right_break_are_the_noise():
    noise = np.random.default_rng(5).normal(0, 0.01, 60)
    value = np.where(np.arange(60) < 30, DESCENT, DESCENT[30]) + noise
    assert broken_residuals(TIME, value, 30, ("power",)).std() == pytest.approx(0.01, rel=0.25)


@pytest.mark.parametrize("at", [15, 30, 45])
def test_the_onset_of_a_flat_part_is_dated(at):
    assert abs(find_onset(TIME, frozen(at, 0.004, at), ("power", "exponential")) - at) <= 3


def test_a_noisy_series_that_freezes_to_one_value_is_noticed_at_the_right_point():
    value = np.random.default_rng(0).normal(3, 0.1, 200)
    value[150:] = value[150]
    assert constant_tail(value) == 150


@pytest.mark.parametrize(
    "value",
    [
        np.round(np.random.default_rng(1).normal(3, 0.004, 200), 2),
        np.repeat(np.random.default_rng(2).normal(3, 0.1, 10), 20),
        np.full(100, 2.0),
        np.append(np.random.default_rng(3).normal(3, 0.1, 200), [1.0] * 9),
        np.append(np.random.default_rng(3).normal(3, 0.1, 2000), [1.0] * 50),
        np.array([1.0]),
        np.empty(0),
    ],
    ids=["rounded", "forward-filled", "constant", "nine points", "a fortieth", "one point", "nothing"],
)
def test_values_that_repeat_for_other_reasons_are_not_frozen(value):
    assert constant_tail(value) is None


def test_a_few_validations_that_repeat_all_digits_are_frozen():
    value = 0.5 + 2.0 / np.arange(2.0, 14.0)
    value[7:] = value[7]
    assert constant_tail(value) == 7


def test_bfloat16_that_slows_down_repeats_by_rounding():
    exact = (1.5 + np.exp(-np.arange(60) / 8)).astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    value = exact.view(np.float32).astype(np.float64)
    assert value[-1] == value[-5]
    assert constant_tail(value) is None


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.0, 1.0, 1e308, -1e308]), max_size=60))
def test_constant_tail_takes_any_values(values):
    start = constant_tail(np.array(values))
    assert start is None or len(set(values[start:])) == 1
