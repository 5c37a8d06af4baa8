"""Is a change provably negligible, provably not, or cannot one tell?"""

import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from trainvitals.maths.equivalence import Interval, points_needed


@pytest.mark.parametrize("seed", range(12))
def test_within_is_two_one_sided_tests_at_five_percent(seed):
    sample = np.random.default_rng(seed).normal(0.05, 0.3, 40)
    stats = DescrStatsW(sample)
    low, high = stats.tconfint_mean(alpha=0.1)
    p_value = max(stats.ttest_mean(-0.1, "larger")[1], stats.ttest_mean(0.1, "smaller")[1])
    assert Interval(sample.mean(), low, high).within(0.1) == (p_value < 0.05)


def test_nothing_at_all_is_within_nothing():
    assert Interval(0.0, 0.0, 0.0).within(0.0)


def test_half_width_is_what_the_noise_hides():
    assert Interval(1.0, -1.0, 3.0).half_width == 2.0


def test_half_the_noise_needs_four_times_the_points():
    assert points_needed(100, detectable=0.02, margin=0.01) == 400


def test_a_noise_beyond_hope_is_answered_with_a_large_number():
    assert points_needed(100, detectable=1e300, margin=1e-300) == 100 * 100


def test_a_margin_of_zero_or_enough_points_ask_for_no_more():
    assert points_needed(100, detectable=0.02, margin=0.0) == 100
    assert points_needed(100, detectable=0.001, margin=0.01) == 100
