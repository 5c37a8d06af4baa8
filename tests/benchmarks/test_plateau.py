"""The cases of the plateau benchmark are what they say, and the peers do what their documents say."""

import numpy as np
import pytest
from benchmarks.plateau import ENOUGH_POINTS, Curve, cases, judge
from benchmarks.plateau_peers import falling_trend_p, no_falling_trend, out_of_patience, reduce_on_plateau
from scipy.stats import kendalltau
from tests.monitor.maths.made_noise import autoregressive

from trainvitals.model import Verdict

STEP = np.arange(1, 401, dtype=np.int64) * 100
CURVE = Curve("made", STEP, np.full(400, 1e-3), 2.0 + 20.0 * STEP**-0.4)


def test_every_curve_is_cut_frozen_and_given_noise():
    made = list(cases([CURVE], seeds=2))
    assert len(made) == 3 * 3 * (1 + 3 * 2)
    assert len({case.name for case in made}) == len(made)
    assert {len(case.loss) for case in made} == {200, 300, 400}
    assert all(case.long_enough == (len(case.loss) >= ENOUGH_POINTS) for case in made)


def test_a_frozen_case_is_the_curve_up_to_its_freeze_and_flat_from_there():
    frozen = next(case for case in cases([CURVE], 1) if case.freeze == 0.5 and len(case.loss) == 400)
    assert frozen.frozen_at == 200
    assert frozen.loss[:200] == pytest.approx(CURVE.loss[:200])
    assert np.ptp(frozen.loss[200:]) == 0


def test_the_noise_has_the_spread_and_the_correlation_that_are_announced():
    noisy = [case for case in cases([CURVE], 20) if case.noise_sd == 0.01 and case.freeze is None]
    noises = [case.loss - CURVE.loss[: len(case.loss)] for case in noisy]
    joined = np.concatenate(noises)
    assert joined.std() == pytest.approx(0.01, rel=0.05)
    lagged = np.mean([np.corrcoef(noise[1:], noise[:-1])[0, 1] for noise in noises])
    assert lagged == pytest.approx(0.5, abs=0.05)


def test_a_case_is_judged_through_the_products_own_entrance():
    improving = next(case for case in cases([CURVE], 1) if case.freeze is None and len(case.loss) == 400)
    frozen = next(case for case in cases([CURVE], 1) if case.freeze == 0.5 and len(case.loss) == 400)
    assert judge(improving, with_rate=True).verdict is Verdict.PROGRESSING
    outcome = judge(frozen, with_rate=False)
    assert outcome.warned
    assert outcome.onset_is_right


def test_reduce_on_plateau_fires_after_eleven_bad_values_and_begins_again():
    assert reduce_on_plateau(np.ones(30)) == [11, 22]
    assert reduce_on_plateau(np.linspace(2, 1, 100)) == []
    assert reduce_on_plateau(np.concatenate([[0.5], np.linspace(2, 1, 11)])) == [11]


def test_patience_ends_when_the_last_tenth_brings_no_best_value():
    assert not out_of_patience(np.linspace(2, 1, 100))
    assert out_of_patience(np.concatenate([np.linspace(2, 1, 90), np.full(20, 1.0)]))


@pytest.mark.parametrize("seed", range(5))
def test_without_autocorrelation_mann_kendall_is_kendalls_tau_against_time(seed):
    values = np.random.default_rng(seed).normal(size=60) - 0.01 * np.arange(60)
    oracle = kendalltau(np.arange(60), values, alternative="less", method="asymptotic").pvalue
    assert falling_trend_p(values) == pytest.approx(oracle, abs=0.06)


def test_mann_kendall_keeps_its_level_under_autocorrelated_noise_where_the_plain_test_does_not():
    rng = np.random.default_rng(0)
    runs = [autoregressive(rng, 60, 0.6) for _ in range(300)]
    plain = np.mean([kendalltau(np.arange(60), run, alternative="less").pvalue < 0.05 for run in runs])
    corrected = np.mean([falling_trend_p(run) < 0.05 for run in runs])
    assert corrected < plain
    assert no_falling_trend(np.ones(40) + rng.normal(0, 1, 40))
    assert not no_falling_trend(np.linspace(2, 1, 40) + rng.normal(0, 0.001, 40))
