"""A fixed period is found to the point; noise, wandering and a drifting rhythm have none."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals.maths.period import SHORTEST_SAMPLED_PERIOD, find_period

POINTS = 1500


def swinging(length, points=POINTS, noise=0.5, seed=0):
    phase = np.arange(points) / length % 1.0
    return 2.0 - phase + noise * np.random.default_rng(seed).standard_normal(points)


@pytest.mark.parametrize("length", [9.3, 93.0, 125.0])
def test_a_saw_tooth_is_found_with_its_length(length):
    period = find_period(swinging(length))
    assert period.length == pytest.approx(length, rel=0.01)
    assert period.share > 0.2
    assert period.agreement > 0.8


def test_a_cycle_of_several_teeth_is_the_whole_cycle():
    points = np.arange(POINTS)
    teeth = 1.0 - (points % 30) / 30 + 1.5 * (points % 90 < 30)
    assert find_period(teeth).length == pytest.approx(90, rel=0.01)


def test_a_long_series_is_averaged_and_its_period_is_in_points_of_its_own():
    assert find_period(swinging(2500.0, points=50_000)).length == pytest.approx(2500, rel=0.01)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("points", [80, 150, 1500])
def test_noise_explains_less_than_what_is_asked(seed, points):
    generator = np.random.default_rng(seed)
    assert find_period(generator.standard_normal(points)).share < 40 / points


@pytest.mark.parametrize("seed", range(10))
def test_a_wandering_series_does_not_agree_with_itself(seed):
    steps = np.random.default_rng(seed).standard_normal(POINTS)
    slow = np.convolve(steps, np.exp(-np.arange(200) / 40), mode="same")
    period = find_period(slow)
    assert period.share < 0.25 or period.agreement < 0.4


def test_another_series_of_the_same_period_is_explained_and_one_of_none_is_not():
    period = find_period(swinging(93.0))
    assert period.explains(swinging(93.0, noise=0.0)) > 0.8
    assert period.explains(np.linspace(1.0, 0.0, POINTS)) < 0.05
    assert period.explains(np.ones(POINTS)) == 0.0


@pytest.mark.parametrize("value", [np.ones(500), np.zeros(500)])
def test_a_constant_has_no_period(value):
    period = find_period(value)
    assert period is None or period.share == 0.0


def test_too_few_points_have_none():
    assert find_period(np.arange(50.0)) is None


def test_fewer_than_six_cycles_are_no_period_of_that_length():
    assert find_period(swinging(375.0, noise=0.01)).length < 300


@pytest.mark.parametrize("length", [2.09, 3.1])
def test_what_sampling_leaves_of_a_cycle_is_found_where_it_is_asked_for(length):
    wave = np.sin(2 * np.pi * np.arange(70) / length) + 0.3 * np.random.default_rng(1).standard_normal(70)
    period = find_period(wave, SHORTEST_SAMPLED_PERIOD)
    assert period.length == pytest.approx(length, rel=0.02)
    assert period.share > 40 / period.points
    assert period.smoothness > 2.5 / period.bins**0.5
    assert find_period(wave).length >= 4


@pytest.mark.parametrize("seed", range(10))
def test_an_alternation_is_no_cycle(seed):
    noise = 0.3 * np.random.default_rng(seed).standard_normal(100)
    period = find_period((-1.0) ** np.arange(100) + noise, SHORTEST_SAMPLED_PERIOD)
    assert period.share < 40 / period.points or period.agreement < 0.4
