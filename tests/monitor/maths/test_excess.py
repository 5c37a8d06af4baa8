"""A regime far above all of the past is found and dated; bursts, drifts and heavy tails are not regimes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.excess import sustained_excess

COUNT = 1000


def noise(seed=0, std=0.1):
    return std * np.random.default_rng(seed).standard_normal(COUNT)


def test_a_jump_of_two_decades_is_dated_to_its_block():
    found = sustained_excess(noise() + 2.0 * (np.arange(COUNT) >= 600), 20, 1.0)
    assert found is not None
    assert found.begin == pytest.approx(600, abs=10)
    assert found.decades == pytest.approx(2.0, abs=0.1)
    assert found.to_the_end


def test_exponential_growth_is_dated_back_to_where_it_left_the_past():
    growth = 5.0 * np.clip((np.arange(COUNT) - 500) / 300, 0, 1)
    found = sustained_excess(noise(std=0.03) + growth, 20, 1.0)
    assert found is not None
    assert found.begin == pytest.approx(500, abs=20)


def test_a_regime_that_ends_is_found_and_said_to_end():
    index = np.arange(COUNT)
    found = sustained_excess(noise() + 2.0 * ((index >= 400) & (index < 500)), 20, 1.0)
    assert found is not None
    assert not found.to_the_end


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_do_not_move_a_median(seed):
    wild = 0.3 * np.random.default_rng(seed).standard_t(1.5, COUNT)
    assert sustained_excess(wild, 20, 1.0) is None


def test_two_blocks_are_a_burst():
    index = np.arange(COUNT)
    assert sustained_excess(noise() + 3.0 * ((index >= 400) & (index < 420)), 0, 1.0) is None


def test_less_than_the_smallest_growth_is_a_drift():
    assert sustained_excess(noise() + 0.9 * (np.arange(COUNT) >= 600), 20, 1.0) is None


def test_what_comes_before_the_first_index_is_not_its_past():
    high_start = noise() + 3.0 * (np.arange(COUNT) < 20)
    assert sustained_excess(high_start, 20, 1.0) is None


def test_a_past_of_its_own_wide_range_needs_more():
    wide = np.repeat(np.random.default_rng(0).normal(0.0, 1.0, 100), 10)
    assert sustained_excess(wide + 2.0 * (np.arange(COUNT) >= 800), 0, 1.0) is None


@given(st.lists(st.floats(-38, 308) | st.just(float("inf")), max_size=60), st.integers(0, 60))
def test_any_signal_has_an_answer_inside_it(values, first):
    found = sustained_excess(np.array(values, dtype=np.float64), min(first, len(values)), 1.0)
    assert found is None or first <= found.begin < len(values)
