"""Straight lines through noisy, autocorrelated points."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as student
from tests.monitor.maths.made_noise import autoregressive

from trainvitals.maths.trend import fit_line


def test_without_correlation_it_is_ordinary_least_squares():
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(0, 100, 40))
    value = 3 - 0.2 * time + rng.normal(0, 1, 40)
    oracle = sm.OLS(value, sm.add_constant(time)).fit()
    line = fit_line(time, value, correlation=0.0)
    assert line.slope == pytest.approx(oracle.params[1])
    assert line.slope_se == pytest.approx(oracle.bse[1])
    assert line.degrees_of_freedom == 38
    assert line.at(time) == pytest.approx(oracle.fittedvalues)
    assert line.change(5.0, 0.9)[1:] == pytest.approx(5 * oracle.conf_int(0.1)[1])


@pytest.mark.parametrize(("phi", "least"), [(0.0, 0.87), (0.5, 0.84), (0.8, 0.78)])
def test_the_ninety_percent_interval_nearly_keeps_its_word_under_autocorrelated_noise(phi, least):
    rng = np.random.default_rng(1)
    time = np.arange(60.0)
    inside = 0
    for _ in range(400):
        _, low, high = fit_line(time, autoregressive(rng, 60, phi)).change(1.0, 0.9)
        inside += low <= 0.0 <= high
    assert inside / 400 >= least


def test_a_bound_on_the_correlation_can_only_narrow_the_interval():
    series = autoregressive(np.random.default_rng(2), 50, 0.8)
    time = np.arange(50.0)
    assert fit_line(time, series, correlation=0.1).slope_se < fit_line(time, series).slope_se
    assert fit_line(time, series, correlation=0.99).slope_se == fit_line(time, series).slope_se


def test_the_interval_of_a_change_is_that_of_students_t():
    line = fit_line(np.arange(10.0), np.random.default_rng(3).normal(size=10), correlation=0.0)
    expected, low, high = line.change(1.0, 0.9)
    half = student.ppf(0.95, 8) * line.slope_se
    assert (low, high) == pytest.approx((expected - half, expected + half))


@pytest.mark.parametrize("time", [[0.0, 1.0], [2.0, 2.0, 2.0]])
def test_too_few_points_or_one_time_are_refused(time):
    with pytest.raises(ValueError, match=r"three points|one time"):
        fit_line(np.array(time), np.zeros(len(time)))
