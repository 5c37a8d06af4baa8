"""How far a curve ends above its best, against its noise and its own past, and since when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.rise import last_rise

POINTS = 500
CURVE = 1.0 + 3.0 * (1.0 + np.arange(POINTS) / 20.0) ** -0.5


def noisy(sd=0.01, seed=0, points=POINTS):
    return CURVE[:points] * np.exp(sd * np.random.default_rng(seed).standard_normal(points))


def since(onset):
    return np.maximum(np.arange(POINTS) - onset + 1, 0)


RISES = {
    "jump": lambda onset: np.where(since(onset) > 0, 2.0, 1.0),
    "exponential": lambda onset: np.exp(since(onset) / 10.0),
    "straight": lambda onset: 1.0 + since(onset) / 50.0,
    "quadratic": lambda onset: 1.0 + (since(onset) / 30.0) ** 2,
}


@pytest.mark.parametrize("shape", RISES)
@pytest.mark.parametrize("onset", [151, 433])
@pytest.mark.parametrize("sd", [0.0, 0.01, 0.03])
def test_the_onset_is_exact_within_two_percent(shape, onset, sd):
    rise = last_rise(noisy(sd) * RISES[shape](onset))
    assert rise is not None
    assert abs(rise.onset - onset) <= 0.02 * POINTS


def test_sizes_are_those_of_the_jump():
    rise = last_rise(noisy() * RISES["jump"](251))
    assert rise is not None
    assert rise.logarithmic
    assert rise.best == pytest.approx(CURVE[250], rel=0.03)
    assert rise.end == pytest.approx(2.0 * CURVE[-1], rel=0.03)
    assert rise.size == pytest.approx(np.log(2.0 * CURVE[-1] / CURVE[250]), abs=0.03)
    assert rise.noise_sd == pytest.approx(0.01, rel=0.3)
    assert rise.overlap == 0.0
    assert rise.points_since == pytest.approx(POINTS - 251, abs=2)


def test_a_curve_that_rose_and_came_back_before_says_how_far():
    loss = noisy() * RISES["jump"](400)
    loss[200:240] *= 1.5
    rise = last_rise(loss)
    assert rise is not None
    assert rise.earlier == pytest.approx(np.log(1.5), abs=0.1)


def test_a_curve_that_ends_at_its_best_has_no_rise():
    assert last_rise(CURVE) is None


@pytest.mark.parametrize("points", [0, 1, 5])
def test_a_handful_of_points_has_no_rise(points):
    assert last_rise(np.arange(points, dtype=float)) is None


def test_a_spike_that_ends_the_curve_is_no_rise_unless_it_lasts_three_points():
    for length, risen in ((2, False), (40, True)):
        loss = noisy(0.001)
        loss[-length:] *= 3.0
        rise = last_rise(loss)
        assert (rise is not None and rise.size > 0.5) is risen


def test_negative_values_are_compared_as_they_are():
    rise = last_rise(np.concatenate([np.linspace(5.0, -5.0, 100), np.full(50, 3.0)]))
    assert rise is not None
    assert not rise.logarithmic
    assert rise.size == pytest.approx(8.0, abs=0.3)
    assert rise.onset == pytest.approx(100, abs=2)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_any_finite_values_give_an_onset_within_the_series(values):
    # At the ends of what a number can hold, differences overflow; a rule may still not fail.
    with np.errstate(all="ignore"):
        rise = last_rise(np.array(values))
    assert rise is None or 0 <= rise.onset < len(values)


def test_a_level_held_for_a_while_soon_after_the_start_is_what_the_rest_is_held_against():
    points = np.arange(600)
    level = np.where(points < 30, 2.5 - points / 20, np.where(points < 54, 0.9, 1.5))
    rise = last_rise(level * np.exp(0.1 * np.random.default_rng(0).standard_normal(600)))
    assert max(rise.overlap, rise.overlap_with_all) <= 0.1


@pytest.mark.parametrize("seed", range(20))
def test_the_best_stretch_of_noise_is_not_held_against_the_rest(seed):
    rise = last_rise(np.exp(0.1 * np.random.default_rng(seed).standard_normal(600)))
    assert rise is None or rise.overlap > 0.1
