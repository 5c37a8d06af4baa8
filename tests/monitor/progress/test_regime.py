"""Which part of a curve was made under one set of conditions."""

import numpy as np
import pytest

from trainvitals.model import Reason
from trainvitals.progress.regime import (
    last_regime,
    rate_at,
    rate_jumps,
    rate_reason,
    rate_time,
    schedule_ended,
    usable_rate,
)

STEP = np.arange(1000, dtype=np.int64)
HALF = STEP >= 500


def steps_down(factor):
    return STEP, np.where(HALF, 1e-3 * factor, 1e-3)


@pytest.mark.parametrize("factor", [0.1, 0.5, 2.0])
def test_a_jump_of_the_rate_starts_a_new_regime(factor):
    regime = last_regime(STEP, steps_down(factor), (), 8)
    assert regime.jump_step == 500
    assert regime.start == 510


@pytest.mark.parametrize(
    "eta",
    [
        (1 + np.cos(np.pi * STEP / 1000)) / 2,
        1 - STEP / 999,
        0.999**STEP,
        np.minimum(1.0, (STEP + 1) / 100),
        np.full(1000, 1e-3),
        np.where(HALF, 0.0, 1.0),
    ],
    ids=["cosine to zero", "linear to zero", "exponential", "warm-up", "constant", "switched off"],
)
def test_smooth_schedules_and_their_end_do_not_jump(eta):
    after_warm_up = STEP >= 10
    assert rate_jumps((STEP[after_warm_up], eta[after_warm_up])) == []


def test_sparse_records_of_a_cosine_do_not_jump_at_its_end():
    sparse = STEP[::100]
    assert rate_jumps((sparse, (1 + np.cos(np.pi * sparse / 1000)) / 2)) == []


def test_the_last_break_wins_and_breaks_outside_do_not_count():
    assert last_regime(STEP, None, (300, 700, 5000, 0), 8).jump_step == 700


def halved_at(*cuts):
    return STEP, 1e-3 * 0.5 ** np.sum(STEP[:, None] >= np.array(cuts), axis=1)


def test_stretches_between_cuts_are_joined_as_far_back_as_forecasts_look_ahead():
    regime = last_regime(STEP, halved_at(300, 600, 800, 950, 995), (), 8)
    assert (regime.jump_step, regime.last_cut) == (600, 995)
    assert last_regime(STEP, halved_at(600, 800), (), 8).last_cut is None


def test_nothing_is_joined_across_a_restart_or_a_raised_rate():
    assert last_regime(STEP, halved_at(300, 600, 995), (700,), 8).jump_step == 700
    steps, eta = halved_at(300, 995)
    raised = last_regime(STEP, (steps, np.where((STEP >= 800) & (STEP < 995), 2e-3, eta)), (), 8)
    assert (raised.jump_step, raised.last_cut) == (800, 995)


def test_a_stretch_joined_across_cuts_is_limited_by_the_rate():
    rate = halved_at(600, 995)
    assert rate_reason(rate, last_regime(STEP, rate, (), 8), 999) is Reason.LR_LIMITED


def test_warm_up_is_left_out_until_the_rate_has_reached_its_peak():
    assert last_regime(STEP, (STEP, np.minimum(1.0, (STEP + 1) / 200)), (), 8).start == pytest.approx(198, abs=1)


def test_a_rate_that_rises_through_most_of_the_run_is_no_warm_up():
    assert last_regime(STEP, (STEP, STEP / 1000.0), (), 8).start == 20


def test_enough_points_are_kept_when_the_warm_up_would_take_them():
    assert last_regime(STEP[:9], None, (), 8).start == 1


def test_a_continued_run_counts_its_steps_from_where_it_begins():
    assert last_regime(STEP + 500, None, (), 8).origin == 0
    assert last_regime(STEP + 50_000, None, (), 8).origin == 50_000


def test_a_rate_without_a_positive_finite_record_is_no_rate():
    assert usable_rate((STEP, np.zeros(1000)), 0, 999) is None
    assert usable_rate((STEP, np.full(1000, np.nan)), 0, 999) is None
    kept = usable_rate((STEP[:3], np.array([1.0, np.nan, -1.0])), 0, 2)
    assert kept is not None
    assert kept[0].tolist() == [0]


def test_a_rate_that_counts_epochs_says_nothing_about_steps():
    epochs = (np.arange(10), np.linspace(1.0, 0.0, 10))
    assert usable_rate(epochs, 0, 5000) is None
    assert usable_rate((np.empty(0, dtype=np.int64), np.empty(0)), 0, 5000) is None
    assert usable_rate((STEP[500:], np.ones(500)), 0, 999) is None
    assert usable_rate((STEP[400:], np.ones(600)), 0, 999) is not None


def test_the_rate_in_force_is_the_latest_recorded():
    rate = (np.array([0, 10, 20]), np.array([1.0, 2.0, 3.0]))
    assert rate_at(rate, np.array([-5, 0, 9, 10, 25])).tolist() == [1.0, 1.0, 1.0, 2.0, 3.0]


def test_what_the_rate_explains():
    whole = last_regime(STEP, None, (), 8)

    def reason(eta):
        return rate_reason((STEP, eta), whole, 999)

    assert reason(np.full(1000, 1e-3)) is None
    assert reason(1e-3 * (1 - 0.5 * STEP / 999)) is None
    assert reason(1e-3 * (1 - 0.9 * STEP / 999)) is Reason.LR_LIMITED
    assert reason(1e-3 * (1 - STEP / 999)) is Reason.SCHEDULE_END
    assert rate_reason(None, whole, 999) is None


def test_a_regime_that_began_with_a_drop_is_limited_by_the_rate():
    rate = steps_down(0.5)
    assert rate_reason(rate, last_regime(STEP, rate, (), 8), 999) is Reason.LR_LIMITED
    raised = steps_down(2.0)
    assert rate_reason(raised, last_regime(STEP, raised, (), 8), 999) is None


def test_a_schedule_has_ended_when_the_rate_is_gone_for_most_of_a_stretch():
    rate = (STEP, np.where(HALF, 0.0, 1.0))
    assert schedule_ended(rate, 600, 999)
    assert schedule_ended(rate, 300, 999)
    assert not schedule_ended(rate, 100, 700)
    assert not schedule_ended(None, 600, 999)


def test_time_runs_slower_where_the_rate_is_lower_and_never_stops():
    time = np.arange(1.0, 101.0)
    warped = rate_time(time, np.where(time > 50, 0.0, 1.0))
    assert warped[:50] == pytest.approx(time[:50])
    assert warped[-1] == pytest.approx(50.5, abs=1e-3)
    assert np.all(np.diff(warped) > 0)
