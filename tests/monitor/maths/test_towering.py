"""An excursion that dwarfs all that was before and comes back is found in a few points; nothing undoes that."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.towering import find_towering

CURVE = 2.0 * (1.0 + np.arange(60) / 5.0) ** -0.5


def towered(*indices, factor=40.0, points=60, sd=0.05, seed=0):
    loss = CURVE[:points] * np.exp(sd * np.random.default_rng(seed).standard_normal(points))
    loss[list(indices)] *= factor
    return loss


def peaks(loss):
    return [spike.peak_step for spike in find_towering(10 * np.arange(len(loss)), loss)]


@pytest.mark.parametrize("points", [6, 14, 60])
def test_one_value_far_above_all_the_others_is_found(points):
    assert peaks(towered(2, points=points)) == [20]


def test_level_size_and_end_are_those_of_the_excursion():
    loss = towered(20, 21, sd=0.0)
    (spike,) = find_towering(np.arange(60), loss)
    assert (spike.first, spike.peak, spike.last, spike.recovery) == (20, 20, 21, "benign")
    assert spike.baseline == pytest.approx(CURVE[20], rel=0.2)
    assert spike.ratio == pytest.approx(40.0, rel=0.2)
    assert spike.height == pytest.approx(39.0 * CURVE[20], rel=0.2)


def test_several_are_found_although_the_first_is_as_high_as_the_second():
    assert peaks(towered(10, 30, 50)) == [100, 300, 500]


def test_values_below_zero_may_surround_it():
    loss = -1.0 + 0.1 * towered(sd=0.05)
    loss[30] = 50.0
    assert peaks(loss) == [300]


@pytest.mark.parametrize(
    "loss",
    [
        towered(0),
        towered(1),
        towered(30, factor=4.0),
        towered(58),
        np.where(np.arange(60) < 30, CURVE, 40.0),
        np.where((np.arange(60) >= 30) & (np.arange(60) < 40), 40.0, CURVE),
        np.concatenate([[900.0, 70.0], CURVE[2:]]),
        np.exp(2.0 * np.random.default_rng(3).standard_normal(60)),
        np.full(60, 0.3),
        np.zeros(60),
    ],
    ids=["start", "second point", "small", "not back", "jump", "long", "fall", "wild noise", "constant", "zero"],
)
def test_what_is_no_isolated_excursion_is_left_alone(loss):
    assert peaks(loss) == []


def test_it_must_dwarf_the_untrained_model_and_not_only_its_neighbours():
    loss = np.geomspace(5.0, 1e-4, 60)
    loss[40] = 1.0
    assert peaks(loss) == []


def test_a_break_begins_a_new_history():
    loss = np.concatenate([np.full(20, 1e-3), np.full(20, 1.0)])
    loss[10] = 50.0
    assert [spike.peak_step for spike in find_towering(np.arange(40), loss, breaks=[20])] == [10]
    loss[10] = 1e-3
    assert find_towering(np.arange(40), loss, breaks=[20]) == ()


def test_noise_whose_logarithm_is_normal_hardly_ever_towers():
    rng = np.random.default_rng(0)
    found = sum(bool(peaks(np.exp(sd * rng.standard_normal(60)))) for sd in (0.1, 0.5, 1.0, 2.0) for _ in range(100))
    assert found <= 4


@given(st.lists(st.floats(-1e3, 1e9), max_size=40), st.integers(0, 40))
def test_what_was_found_once_stays_found_whatever_follows(values, cut):
    loss, step = np.array(values), np.arange(len(values))
    earlier = [(spike.first, spike.last) for spike in find_towering(step[:cut], loss[:cut])]
    spikes = find_towering(step, loss)
    assert [(spike.first, spike.last) for spike in spikes][: len(earlier)] == earlier
    assert all(one.last < other.first for one, other in pairwise(spikes))


@given(st.lists(st.floats(-1.7e308, 1.7e308), max_size=40))
def test_any_finite_values_are_borne(values):
    for spike in find_towering(np.arange(len(values)), np.array(values)):
        assert 0 <= spike.first <= spike.peak <= spike.last < len(values)
