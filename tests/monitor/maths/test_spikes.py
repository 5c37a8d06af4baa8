"""Spikes that stand apart are found where they are; noise, tails, bends and the start of a curve are none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.maths.spikes import Recovery, find_spikes

POINTS = 600
STEP = 10 * np.arange(POINTS)
CURVE = 1.0 + 3.0 * (1.0 + np.arange(POINTS) / 10.0) ** -0.5
NOISES = {
    "normal": lambda rng, size: rng.normal(size=size),
    "Laplace": lambda rng, size: rng.laplace(size=size),
    "skewed": lambda rng, size: rng.gumbel(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
}


def noisy(sd=0.01, seed=0):
    return CURVE * np.exp(sd * np.random.default_rng(seed).standard_normal(POINTS))


def test_single_points_are_found_at_their_steps():
    loss = noisy()
    loss[[150, 301, 477]] *= 1.3
    assert [spike.peak_step for spike in find_spikes(STEP, loss)] == [1500, 3010, 4770]


def test_size_and_baseline_are_those_of_the_spike():
    loss = noisy()
    loss[300] *= 1.5
    (spike,) = find_spikes(STEP, loss)
    assert spike.ratio == pytest.approx(1.5, rel=0.05)
    assert spike.baseline == pytest.approx(CURVE[300], rel=0.02)
    assert spike.height == pytest.approx(loss[300] - CURVE[300], rel=0.1)
    assert spike.z == pytest.approx(np.log(1.5) / 0.01, rel=0.4)


@pytest.mark.parametrize(("length", "recovery"), [(1, Recovery.BENIGN), (4, Recovery.BENIGN), (25, Recovery.LINGERING)])
def test_how_long_it_takes_to_recover_tells_benign_from_lingering(length, recovery):
    loss = noisy()
    loss[300 : 300 + length] *= 1.4
    (spike,) = find_spikes(STEP, loss)
    assert (spike.first, spike.recovery) == (300, recovery)
    assert spike.points == pytest.approx(length, abs=2)


def test_a_spike_at_the_very_end_is_open():
    loss = noisy()
    loss[-2:] *= 1.4
    (spike,) = find_spikes(STEP, loss)
    assert spike.recovery is Recovery.OPEN


def test_a_peak_whose_aftermath_stays_is_lasting():
    loss = noisy()
    loss[300:] *= 1.2
    loss[300:305] *= 1.5
    (spike,) = find_spikes(STEP, loss)
    assert (spike.first_step, spike.recovery) == (3000, Recovery.LASTING)


def test_a_decay_is_one_spike_and_not_many():
    loss = noisy()
    loss[300:330] *= 1.0 + np.exp(-np.arange(30) / 8.0)
    assert len(find_spikes(STEP, loss)) == 1


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("scale", ["absolute", "relative"])
def test_noise_alone_rarely_has_a_spike(name, scale):
    rng = np.random.default_rng(1)
    with_spikes = 0
    for _ in range(40):
        noise = NOISES[name](rng, POINTS)
        loss = CURVE * np.exp(0.1 * noise) if scale == "relative" else CURVE + 0.05 * noise
        with_spikes += bool(find_spikes(STEP, loss))
    assert with_spikes <= 4


def test_a_second_kind_of_batch_is_noise_and_not_a_hundred_spikes():
    loss = noisy() * np.where(np.arange(POINTS) % 9 == 0, 3.0, 1.0)
    assert find_spikes(STEP, loss) == ()


def test_first_values_thousands_of_times_the_rest_are_no_spike():
    assert find_spikes(STEP, np.concatenate([[9000.0, 700.0, 60.0], noisy()[3:]])) == ()


def test_a_sudden_fall_is_no_spike():
    assert find_spikes(STEP, noisy() * np.where(STEP < 3000, 1.0, 0.6)) == ()


def test_a_restart_begins_a_new_baseline():
    loss = np.concatenate([noisy()[:300], noisy(seed=1)[:300]])
    assert find_spikes(STEP, loss, breaks=[3000]) == ()


def test_a_log_with_two_digits_has_no_spikes_of_one_digit():
    loss = np.round(0.02 + 0.002 * np.random.default_rng(0).standard_normal(POINTS), 2)
    assert find_spikes(STEP, loss) == ()


def test_fewer_than_thirty_points_have_no_spikes():
    loss = noisy()[:29]
    loss[20] *= 5.0
    assert find_spikes(STEP[:29], loss) == ()


def test_a_spike_that_stood_apart_from_a_calm_beginning_is_not_undone_by_a_wild_end():
    rng = np.random.default_rng(0)
    calm = np.exp(0.002 * rng.standard_normal(60))
    calm[20] = 1.3
    wild = np.exp(-np.arange(90) / 12.0 + 0.12 * rng.standard_normal(90))
    for loss in (calm, np.concatenate([calm, wild])):
        assert 20 in [spike.peak for spike in find_spikes(np.arange(len(loss)), loss)]


@given(st.lists(st.floats(-1e300, 1e300), max_size=80))
def test_any_finite_values_give_spikes_in_order_within_the_series(values):
    step = np.arange(len(values))
    spikes = find_spikes(step, np.array(values))
    for spike in spikes:
        assert 0 <= spike.first <= spike.peak <= spike.last < len(values)
    assert all(one.last < other.first for one, other in pairwise(spikes))
