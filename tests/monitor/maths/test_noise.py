"""How noisy a series is, and how much of the noise is independent."""

import numpy as np
import pytest
from statsmodels.tsa.stattools import acf
from tests.monitor.maths.made_noise import autoregressive

from trainvitals.maths.noise import (
    autocorrelation,
    difference_noise_sd,
    integrated_autocorrelation_time,
    lag_one_correlation,
    noise_exponent,
)


def test_noise_is_measured_under_a_steep_trend_and_spikes():
    rng = np.random.default_rng(0)
    series = np.exp(-np.arange(2000) / 300.0) * 50 + rng.normal(0, 0.3, 2000)
    series[::100] += 40
    assert difference_noise_sd(series) == pytest.approx(0.3, rel=0.1)


def test_noise_of_a_million_points_is_that_of_a_sample_of_them():
    series = np.random.default_rng(1).normal(0, 2.0, 1_000_000)
    assert difference_noise_sd(series) == pytest.approx(2.0, rel=0.03)


@pytest.mark.parametrize("points", [0, 1, 2])
def test_noise_of_too_few_points_is_unknown(points):
    assert np.isnan(difference_noise_sd(np.ones(points)))


def test_autocorrelation_is_that_of_statsmodels():
    series = autoregressive(np.random.default_rng(2), 300, 0.7)
    assert autocorrelation(series) == pytest.approx(acf(series, nlags=299, fft=False), abs=1e-10)


def test_autocorrelation_of_huge_values_does_not_overflow():
    series = np.random.default_rng(3).normal(size=50)
    assert autocorrelation(series * 1e200) == pytest.approx(autocorrelation(series))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_autoregressive_noise_is_known(phi):
    series = autoregressive(np.random.default_rng(4), 200_000, phi)
    assert integrated_autocorrelation_time(series) == pytest.approx((1 + phi) / (1 - phi), rel=0.1)


def test_autocorrelation_time_predicts_the_error_of_the_mean():
    rng = np.random.default_rng(5)
    runs = [autoregressive(rng, 400, 0.6) for _ in range(300)]
    measured = np.std([run.mean() for run in runs])
    predicted = np.median([run.std() * np.sqrt(integrated_autocorrelation_time(run) / 400) for run in runs])
    assert predicted == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize("series", [np.empty(0), np.ones(3), np.full(50, 7.0)])
def test_without_variance_every_point_counts(series):
    assert integrated_autocorrelation_time(series) == 1.0
    assert lag_one_correlation(series) in (0.0, 2 / 50)


def test_alternating_noise_never_makes_a_test_bolder():
    assert lag_one_correlation(np.tile([1.0, -1.0], 30)) == 0.0


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_power_of_the_noise_is_recovered(power):
    rng = np.random.default_rng(6)
    level = np.geomspace(10, 0.1, 4000)
    series = level + 0.01 * level**power * rng.normal(size=4000)
    assert noise_exponent(series) == pytest.approx(power, abs=0.1)


def test_negative_short_and_level_series_have_no_noise_power():
    rng = np.random.default_rng(7)
    assert noise_exponent(rng.normal(size=100)) == 0.0
    assert noise_exponent(np.array([3.0, 2.0, 1.0])) == 0.0
    assert noise_exponent(5 + 0.1 * rng.normal(size=100)) == 0.0
