"""Smooth laws of descent: fitted, compared, and continued beyond the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import nnls
from tests.monitor.maths.made_noise import autoregressive

from trainvitals.maths.forecast import fit_law, law_gains, shapes, solve

TIME = np.arange(1.0, 61.0)
KINDS = ("power", "exponential", "logistic", "vertex")


@settings(max_examples=60)
@given(
    arrays(np.float64, 20, elements=st.floats(0, 100)),
    arrays(np.float64, 20, elements=st.floats(0.1, 10)),
    st.sampled_from(KINDS),
)
def test_the_closed_form_is_non_negative_least_squares(value, weights, kind):
    time = np.arange(1.0, 21.0)
    curves = shapes(kind, time).at(time)
    floor, scale, sse = solve(curves, value[None, :], weights, 0.0)
    for index, curve in enumerate(curves):
        root = np.sqrt(weights)
        _, norm = nnls(np.column_stack([np.ones(20), curve]) * root[:, None], value * root)
        assert floor[0, index] >= 0
        assert scale[0, index] >= 0
        assert sse[0, index] == pytest.approx(norm**2, rel=1e-6, abs=1e-6 * (1 + float(value @ value)))


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("power", 2.0 + 3.0 * TIME**-0.5),
        ("exponential", 1.0 + 4.0 * np.exp(-(TIME - 1) / 15)),
        ("logistic", 0.5 + 2.0 / (1 + np.exp((TIME - 20) / 4))),
        ("vertex", 0.3 + 2.0 * np.maximum(1 - TIME / 40, 0) ** 2),
    ],
)
def test_each_law_recovers_its_own_curve(kind, truth):
    law = fit_law(TIME, truth, KINDS)
    assert law.kind == kind
    assert np.abs(law.predict(TIME) - truth).max() < 0.03 * np.ptp(truth)


def test_a_free_floor_follows_a_loss_below_zero_and_a_bound_floor_does_not():
    truth = -5.0 + 3.0 * np.exp(-TIME / 10)
    free = fit_law(TIME, truth, ("exponential",), lowest_floor=-np.inf)
    assert free.floor == pytest.approx(-5.0, abs=0.1)
    assert free.predict(TIME) == pytest.approx(truth, abs=0.1)
    assert fit_law(TIME, truth, ("exponential",)).floor == 0.0


def test_a_rising_curve_is_answered_with_its_mean():
    law = fit_law(TIME, TIME, KINDS)
    assert law.predict(TIME) == pytest.approx(np.full(60, TIME.mean()))


def test_weights_say_which_points_count():
    value = np.where(TIME < 30, 9.0, 1.0 + TIME**-1.0)
    weights = np.where(TIME < 30, 0.0, 1.0)
    law = fit_law(TIME, value, weights=weights)
    assert law.predict(TIME[30:]) == pytest.approx(value[30:], abs=1e-3)


def test_the_gain_of_a_power_law_is_forecast_with_an_honest_interval():
    rng = np.random.default_rng(0)
    time = np.arange(20.0, 80.0)
    truth = 2.0 + 5.0 * time**-0.5
    gain = 5.0 * (79.0**-0.5 - 99.0**-0.5)
    inside = 0
    for _ in range(60):
        value = truth + autoregressive(rng, 60, 0.3, sd=0.005)
        (interval,) = law_gains(time, value, ("power", "exponential"), np.array([20.0]), confidence=0.9)
        inside += interval.low <= gain <= interval.high
        assert interval.low <= interval.estimate <= interval.high
    assert inside >= 45


def test_the_same_curve_gets_the_same_interval():
    value = 2.0 + TIME**-0.5 + np.random.default_rng(1).normal(0, 0.01, 60)
    horizon = np.array([10.0])
    assert law_gains(TIME, value, KINDS, horizon, confidence=0.9) == law_gains(
        TIME, value, KINDS, horizon, confidence=0.9
    )


def test_gains_over_several_times_are_those_over_each_of_them():
    value = 2.0 + TIME**-0.5 + np.random.default_rng(1).normal(0, 0.01, 60)
    together = law_gains(TIME, value, KINDS, np.array([5.0, 10.0, 40.0]), confidence=0.9)
    apart = [law_gains(TIME, value, KINDS, np.array([each]), confidence=0.9)[0] for each in (5.0, 10.0, 40.0)]
    for one, other in zip(together, apart, strict=True):
        assert (one.low, one.estimate, one.high) == pytest.approx((other.low, other.estimate, other.high), rel=1e-12)


def test_a_law_cannot_promise_a_rise():
    (interval,) = law_gains(TIME, TIME, KINDS, np.array([10.0]), confidence=0.9)
    assert interval.low >= 0
