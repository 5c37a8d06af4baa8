"""The verdict on one loss: right on curves of known kind, honest on noisy and short ones, never an exception."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.monitor.progress.curves import STEP, cosine_rate, exponential, frozen, noise, power_law

from trainvitals.model import Reason, Verdict
from trainvitals.progress import Assessment, ProgressLimits, assess_progress


@pytest.mark.parametrize("seed", range(8))
def test_a_slow_power_law_is_progress_and_its_gain_is_forecast(seed):
    assessment = assess_progress(*power_law(seed=seed))
    truth = 20.0 * (40_000**-0.4 - 50_000**-0.4)
    assert assessment.verdict is Verdict.PROGRESSING
    assert assessment.horizon_steps == 10_000
    assert assessment.gain == pytest.approx(truth, rel=0.3)
    assert assessment.gain_low - 0.002 <= truth <= assessment.gain_high + 0.002


@pytest.mark.parametrize("at", [160, 200, 280])
@pytest.mark.parametrize("seed", range(3))
def test_a_descent_that_froze_is_a_plateau_that_something_caused(at, seed):
    assessment = assess_progress(*frozen(at, seed=seed))
    assert assessment.verdict is Verdict.PLATEAU
    assert assessment.stuck
    assert assessment.reason is None
    assert abs(assessment.since_step - STEP[at]) <= 0.05 * STEP[-1]


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_that_came_to_rest_smoothly_has_converged(seed):
    assessment = assess_progress(*exponential(seed=seed, sd=0.0003, constant=2500.0))
    assert assessment.verdict is Verdict.PLATEAU
    assert assessment.reason is Reason.CONVERGED
    assert not assessment.stuck


def test_a_value_repeated_to_the_last_digit_is_held_from_the_right_step():
    step, loss = power_law(sd=0.05)
    loss[300:] = loss[300]
    assessment = assess_progress(step, loss)
    assert assessment.held
    assert assessment.stuck
    assert assessment.since_step == STEP[300]


def test_a_value_held_because_the_schedule_ended_is_explained():
    step, loss = power_law(sd=0.05)
    loss[300:] = loss[300]
    rate = np.where(np.arange(400) < 300, 1e-3, 0.0)
    assessment = assess_progress(step, loss, (step, rate))
    assert assessment.reason is Reason.SCHEDULE_END
    assert not assessment.stuck


def test_a_loss_held_at_nearly_nothing_is_no_alarm():
    step, loss = exponential(sd=0.0)
    loss = loss - 0.299 + noise(0.0001, 1)
    loss[300:] = loss[300]
    assessment = assess_progress(step, loss)
    assert assessment.near_zero
    assert assessment.reason is Reason.CONVERGED
    assert not assessment.stuck


def test_a_flat_end_under_a_rate_that_decays_to_nothing_is_the_schedules():
    step, rate = cosine_rate()
    time = np.cumsum(rate) / 1e-3 * 100
    loss = 2.0 + 20.0 * time**-0.4 + noise(0.0005, 2)
    assessment = assess_progress(step, loss, (step, rate))
    assert not assessment.stuck
    assert assessment.verdict is not Verdict.PLATEAU or assessment.reason is Reason.SCHEDULE_END


@pytest.mark.parametrize("seed", range(4))
def test_a_schedule_that_was_not_logged_is_not_taken_for_a_stop(seed):
    _, rate = cosine_rate()
    time = np.cumsum(rate) / 1e-3 * 100
    assert not assess_progress(STEP, 2.0 + 20.0 * time**-0.4 + noise(0.001, seed)).stuck


def test_a_drop_below_the_law_followed_by_a_flat_stretch_is_a_schedule_step():
    step, loss = power_law(sd=0.0)
    loss = np.where(np.arange(400) < 200, loss, loss[199] - 0.15) + noise(0.001, 3)
    assessment = assess_progress(step, loss)
    assert assessment.verdict is Verdict.PLATEAU
    assert not assessment.stuck


def test_a_saddle_is_not_held_against_a_run_that_falls_again():
    stairs = 1.0 / (1 + np.exp((STEP - 8_000) / 800)) + 1.0 / (1 + np.exp((STEP - 36_000) / 1500))
    assert assess_progress(STEP, 0.2 + stairs + noise(0.002, 4)).verdict is Verdict.PROGRESSING


def test_a_rising_loss_regresses():
    assert assess_progress(STEP, 1.0 + STEP / 40_000 + noise(0.002, 5)).verdict is Verdict.REGRESSING


def test_a_loss_that_never_moved_is_flat_throughout():
    assessment = assess_progress(STEP, 0.69 + noise(0.001, 6))
    assert assessment.verdict is Verdict.PLATEAU
    assert assessment.flat_throughout
    assert not assessment.stuck
    assert assessment.no_new_ground is None


def test_noise_that_hides_the_answer_says_so_and_how_many_points_it_would_take():
    assessment = assess_progress(*frozen(200, sd=0.3))
    assert assessment.verdict is Verdict.INCONCLUSIVE
    assert assessment.reason is Reason.NOISE_LIMITED
    assert assessment.minimum_detectable_gain > assessment.delta
    assert assessment.points_needed > 400
    assert assessment.noise_sd == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("points", [0, 1, 3, 7])
def test_a_handful_of_points_is_too_few(points):
    assessment = assess_progress(STEP[:points], power_law()[1][:points])
    assert assessment.verdict is Verdict.INCONCLUSIVE
    assert assessment.reason is Reason.TOO_FEW_POINTS
    assert assessment.points_used == points
    assert assessment.points_needed == ProgressLimits().fewest_points


def test_a_restart_resets_the_clock():
    step, loss = frozen(100, sd=0.001)
    loss[300:] = loss[300:] + 1.0 - 0.9 * (1 - np.exp(-np.arange(100) / 60))
    assert assess_progress(step, loss, breaks=(int(step[300]),)).first_step >= step[300]


def test_a_regime_that_has_only_begun_leaves_progress_standing_but_no_plateau():
    step, loss = power_law()
    assert assess_progress(step, loss, breaks=(int(step[-3]),)).verdict is Verdict.PROGRESSING
    step, loss = frozen(200)
    assert assess_progress(step, loss, breaks=(int(step[-3]),)).reason is Reason.TOO_FEW_POINTS


def cut_again_and_again(halvings):
    """A rate halved ever more often, as by a scheduler that waits for a plateau, and a loss that follows it."""
    step = np.arange(60, dtype=np.int64)
    share = 0.5 ** np.sum(step[:, None] >= np.array(halvings), axis=1)
    return step, 0.3 + np.exp(-np.cumsum(share) / 15), share


@pytest.mark.parametrize("seed", range(4))
def test_a_run_whose_rate_was_cut_again_and_again_is_judged_across_the_cuts(seed):
    step, loss, rate = cut_again_and_again([25, 33, 40, 55, 59])
    noisy = loss + np.random.default_rng(seed).normal(0, 0.001, 60)
    assessment = assess_progress(step, noisy, (step, rate))
    assert assessment.verdict is Verdict.PROGRESSING
    assert assessment.reason is Reason.LR_LIMITED
    assert assessment.points_used >= 15


def test_a_run_flat_across_the_cuts_of_its_rate_was_not_stopped():
    step, loss, rate = cut_again_and_again([25, 33, 40, 55, 59])
    held = np.where(step < 42, loss, loss[42]) + np.random.default_rng(0).normal(0, 0.0001, 60)
    assessment = assess_progress(step, held, (step, rate))
    assert assessment.verdict is Verdict.PLATEAU
    assert assessment.learning_rate_explains


@pytest.mark.parametrize("since", [1, 4, 7])
def test_one_drop_by_a_cut_of_the_rate_is_neither_a_trend_nor_a_plateau(since):
    step = np.arange(200, dtype=np.int64)
    cut = step >= 200 - since
    loss = 0.5 + np.exp(-step / 6) - 0.05 * cut + np.random.default_rng(1).normal(0, 0.002, 200)
    assessment = assess_progress(step, loss, (step, np.where(cut, 1e-4, 1e-3)))
    assert assessment.verdict is Verdict.INCONCLUSIVE
    assert (assessment.reason, assessment.points_used) == (Reason.TOO_FEW_POINTS, since)


@pytest.mark.parametrize("seed", range(4))
def test_a_fall_in_large_steps_that_no_law_describes_is_progress(seed):
    epoch = np.arange(1, 31, dtype=np.int64)
    pace = np.where(epoch < 23, 0.06 + 0.05 * (epoch / 23) ** 2, 0.11 * np.exp((23 - epoch) / 2))
    loss = 0.05 + 4 * np.exp((1 - epoch) / 0.8) + np.cumsum(pace[::-1])[::-1]
    loss += np.random.default_rng(seed).normal(0, 0.0002, 30)
    assessment = assess_progress(epoch, loss)
    assert assessment.verdict is Verdict.PROGRESSING
    assert 0 < assessment.gain_low <= assessment.gain_high <= loss[-1]


@pytest.mark.parametrize("seed", range(15))
def test_noise_alone_does_not_fall_in_large_steps(seed):
    epoch = np.arange(1, 31, dtype=np.int64)
    loss = 0.5 + 5 * np.exp(-epoch) + np.random.default_rng(seed).normal(0, 0.05, 30)
    assert assess_progress(epoch, loss).verdict is not Verdict.PROGRESSING


def test_points_are_not_asked_for_beyond_reason():
    assert assess_progress(*frozen(200, sd=3.0)).points_needed <= 100 * 400


def test_a_run_that_ends_soon_is_not_looked_at_beyond_its_end():
    assert assess_progress(*power_law(), remaining_steps=300).horizon_steps == 300


def test_a_loss_that_rose_and_came_back_has_won_no_new_ground():
    loss = 0.3 + np.exp(-STEP / 500) + 0.2 * np.exp(-(((STEP - 16_000) / 6000) ** 2)) + noise(0.001, 7)
    ground = assess_progress(STEP, loss).no_new_ground
    assert ground is not None
    assert ground.recovering
    assert ground.since_step < 0.1 * STEP[-1]


def test_noise_wider_than_the_eye_is_fine_does_not_hide_that_no_ground_was_won():
    epoch = np.arange(1, 51, dtype=np.int64)
    level = 0.82 + 0.16 * np.exp(-epoch / 3)
    grounds = [
        assess_progress(epoch, level + np.random.default_rng(seed).normal(0, 0.006, 50)).no_new_ground
        for seed in range(20)
    ]
    won_none = [ground for ground in grounds if ground is not None]
    assert len(won_none) >= 17
    assert all(ground.since_step <= 17 for ground in won_none)


def test_a_loss_that_was_clearly_lower_once_has_not_stayed_where_it_was():
    loss = 0.5 + np.exp(-STEP / 1000) + STEP / 400_000 + noise(0.001, 8)
    assert assess_progress(STEP, loss).no_new_ground is None


def test_a_language_model_has_won_new_ground_to_the_end():
    assert assess_progress(*power_law()).no_new_ground is None


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e3, 1e30])
def test_the_unit_of_the_loss_does_not_matter(scale):
    step, loss = frozen(200)
    plain, scaled = assess_progress(step, loss), assess_progress(step, loss * scale)
    assert (scaled.verdict, scaled.since_step, scaled.stuck) == (plain.verdict, plain.since_step, plain.stuck)
    assert scaled.gain == pytest.approx(plain.gain * scale, rel=1e-6, abs=1e-9 * scale)


def test_a_negative_loss_is_judged_by_its_own_range():
    step, loss = power_law()
    assert assess_progress(step, loss - 2.3).verdict is Verdict.PROGRESSING
    step, loss = frozen(150, sd=0.001)
    assert assess_progress(step, loss - loss[-1]).verdict is Verdict.PLATEAU


def test_the_same_curve_gets_the_same_answer():
    assert assess_progress(*power_law()) == assess_progress(*power_law())


points = st.integers(0, 90)


@given(st.data())
def test_no_finite_curve_makes_it_raise_or_answer_nonsense(data):
    count = data.draw(points)
    gaps = data.draw(arrays(np.int64, count, elements=st.integers(1, 10**12)))
    any_value = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 1.0, 2.5]))
    value = data.draw(arrays(np.float64, count, elements=any_value))
    step = np.cumsum(gaps) - data.draw(st.integers(-(10**6), 10**6))
    rate = data.draw(st.none() | arrays(np.float64, count, elements=st.floats(width=32)))
    breaks = data.draw(st.lists(st.sampled_from([*step.tolist(), 0, -5]), max_size=5)) if count else []
    assessment = assess_progress(step, value, None if rate is None else (step, rate), breaks)
    assert isinstance(assessment, Assessment)
    for field in fields(assessment):
        number = getattr(assessment, field.name)
        assert not isinstance(number, float) or np.isfinite(number), field.name
    if assessment.gain is not None:
        assert assessment.gain_low <= assessment.gain <= assessment.gain_high
        assert step[0] <= assessment.since_step <= assessment.last_step
