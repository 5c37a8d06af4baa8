"""A loss that runs away is found and dated; spikes, restarts, warm restarts and wandering curves do not run away."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals.model import Restart
from trainvitals.rules.loss.diverging_loss import DivergingLoss
from trainvitals.signals import Signals
from trainvitals.synth import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = DivergingLoss()
POINTS = 500
STEPS = 10 * np.arange(POINTS)
LEVEL = 1.0 + 3.0 * (1.0 + np.arange(POINTS) / 20.0) ** -0.5
SYNTHETIC = Signals(train_loss=("train/loss",), val_loss={"": "val/loss"}, learning_rate=("learning_rate/group0",))


def noisy(sd=0.01, seed=0):
    return LEVEL * np.exp(sd * np.random.default_rng(seed).standard_normal(POINTS))


def view_of(loss, val=None, rate=None, *, supervised=True, restarts=(), steps=STEPS):
    columns = {"loss": (steps[: len(loss)], loss)}
    if val is not None:
        columns["val"] = (steps[:: len(steps) // len(val)][: len(val)], val)
    if rate is not None:
        columns["rate"] = (steps[: len(rate)], rate)
    signals = Signals(
        train_loss=("loss",),
        val_loss={"": "val"} if val is not None else {},
        learning_rate=("rate",) if rate is not None else (),
        supervised=supervised,
    )
    return make_view(columns, signals, restarts=restarts)


def grown(onset, e_fold_points=10.0, sd=0.01):
    return noisy(sd) * np.exp(np.minimum(np.maximum(np.arange(POINTS) - onset + 1, 0) / e_fold_points, 14.0))


@pytest.mark.parametrize("onset", [101, 251, 459])
@pytest.mark.parametrize("sd", [0.001, 0.03, 0.3])
def test_exponential_growth_is_an_error_at_its_onset(onset, sd):
    (finding,) = findings(RULE, view_of(grown(onset, sd=sd)))
    assert finding.severity == "error"
    assert abs(finding.first_step - 10 * onset) <= 0.02 * STEPS[-1]
    assert finding.last_step == STEPS[-1]
    assert {"loss"} == finding.signals


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_jump_to_the_level_at_the_start_that_it_never_leaves_is_one(factor):
    collapsed = np.where(STEPS < 2510, noisy(), factor * LEVEL[0])
    (finding,) = findings(RULE, view_of(collapsed))
    assert finding.first_step == pytest.approx(2510, abs=20)


def noise_of_small_batches(points, sd, seed):
    return np.exp(sd * np.random.default_rng(seed).standard_normal(points))


@pytest.mark.parametrize("seed", range(5))
def test_a_collapse_to_the_start_is_seen_through_noise_as_large_as_the_collapse(seed):
    before, after = 0.15 * noise_of_small_batches(275, 1.2, seed), 1.9 * noise_of_small_batches(200, 0.15, seed)
    start = np.linspace(1.8, 0.15, 25)
    (finding,) = findings(RULE, view_of(np.concatenate([start, before, after])))
    assert finding.first_step == pytest.approx(3000, abs=0.05 * STEPS[-1])


@pytest.mark.parametrize(("level", "onset", "found"), [(1.1, 250, ["error"]), (0.8, 250, []), (1.1, 475, [])])
def test_a_lasting_collapse_to_less_than_twice_the_best_is_seen_through_noise(level, onset, found):
    points = np.arange(POINTS)
    learnt = (0.65 + 0.45 * np.exp(-points / 60.0)) * noise_of_small_batches(POINTS, 0.1, 3)
    fallen = level * noise_of_small_batches(POINTS, 0.005, 4)
    assert severities(RULE, view_of(np.where(points < onset, learnt, fallen))) == found


def test_noise_of_that_size_alone_is_none():
    for seed in range(40):
        flat, falling = noise_of_small_batches(POINTS, 1.2, seed), noisy(1.2, seed)
        assert findings(RULE, view_of(flat)) == findings(RULE, view_of(falling)) == []


@pytest.mark.parametrize("height", [1.5, 20.0])
def test_a_spike_that_recovers_is_none(height):
    loss = noisy()
    loss[250:260] *= height
    assert findings(RULE, view_of(loss)) == []


def test_a_loss_on_its_way_back_is_none():
    loss = noisy() * (1.0 + 1.5 * np.exp(-np.maximum(np.arange(POINTS) - 300, 0) / 60.0) * (np.arange(POINTS) >= 300))
    assert findings(RULE, view_of(loss)) == []


@pytest.mark.parametrize("factor", [1.05, 1.6])
def test_a_small_step_up_is_none_and_a_large_one_is(factor):
    found = findings(RULE, view_of(np.where(STEPS < 4000, noisy(), noisy() * factor)))
    assert bool(found) is (factor > 1.5)


def test_a_restart_that_begins_high_is_none():
    loss = np.where(STEPS < 4500, noisy(), 1.6 * noisy())
    assert severities(RULE, view_of(loss)) == ["error"]
    assert findings(RULE, view_of(loss, restarts=(Restart(4500, 4490, "session"),))) == []


def test_a_divergence_after_a_restart_is_still_found():
    loss = np.concatenate([noisy()[:200], grown(200)[:300]])
    (finding,) = findings(RULE, view_of(loss, restarts=(Restart(2000, 1990, "session"),)))
    assert finding.first_step == pytest.approx(4000, abs=100)


def test_a_warm_restart_of_the_learning_rate_is_none():
    cycle = 0.5 * (1 + np.cos(np.linspace(0, np.pi, 200)))
    rate = np.tile(cycle, 3)[:POINTS]
    loss = (noisy() + 1.5 * rate)[:420]
    assert severities(RULE, view_of(loss)) == ["error"]
    assert findings(RULE, view_of(loss, rate=1e-3 * rate[:420])) == []


def test_a_training_loss_that_validation_does_not_follow_changed_its_meaning():
    loss = np.where(STEPS < 2500, noisy(), 3.0 * noisy())
    assert findings(RULE, view_of(loss, val=LEVEL[::25])) == []
    assert severities(RULE, view_of(loss, val=loss[::25])) == ["error"]


def test_a_curve_that_always_wandered_that_far_is_none():
    wander = np.exp(0.5 * np.sin(np.arange(POINTS) / 25.0))
    assert findings(RULE, view_of(LEVEL * wander)) == []


def test_noise_over_four_decades_is_none():
    assert findings(RULE, view_of(0.01 * noisy(sd=1.8))) == []


def test_a_first_value_thousands_of_times_the_rest_hides_nothing_and_alarms_nobody():
    start = np.array([9000.0, 800.0, 50.0])
    assert findings(RULE, view_of(np.concatenate([start, noisy()[3:]]))) == []
    assert severities(RULE, view_of(np.concatenate([start, grown(300)[3:]]))) == ["error"]


def test_ten_epochs_are_enough_only_for_what_is_obvious():
    learning = [2.3, 1.5, 1.0, 0.9, 0.85, 0.8]
    assert findings(RULE, view_of(np.array([*learning, 0.9, 1.0, 1.05, 1.1]))) == []
    assert severities(RULE, view_of(np.array([*learning, 5.0, 80.0, 4000.0, 3000.0]))) == ["error"]


def test_a_validation_loss_alone_must_triple_its_start():
    def alone(factor):
        columns = {"val": (STEPS, np.where(STEPS < 3000, noisy(), factor * LEVEL[0]))}
        return make_view(columns, Signals(val_loss={"": "val"}))

    assert findings(RULE, alone(2.0)) == []
    assert severities(RULE, alone(4.0)) == ["error"]


def test_a_loss_that_goes_below_zero_is_compared_as_it_is():
    falling = noisy() - 3.0
    (finding,) = findings(RULE, view_of(np.where(STEPS < 3000, falling, 5.0)))
    assert finding.first_step == pytest.approx(3000, abs=20)
    assert findings(RULE, view_of(falling)) == []


def test_growth_over_the_whole_number_range_is_survived():
    tiny = 1e-300 * noisy()
    assert severities(RULE, view_of(np.where(STEPS < 3000, tiny, 1e300))) == ["error"]


def test_reinforcement_learning_is_not_judged():
    assert findings(RULE, view_of(grown(300), supervised=False)) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.003, 0.05, 0.3])
@pytest.mark.parametrize("share", [0.35, 0.7, 1.0])
def test_healthy_runs_are_none_however_long_they_are(shape, noise, share):
    run = healthy_run(shape, noise=noise).run
    cut = {tag: series.take(series.step <= share * 4000) for tag, series in run.series.items()}
    columns = {
        tag: (series.step, series.value)
        for tag, series in cut.items()
        if tag in ("train/loss", "val/loss", "learning_rate/group0")
    }
    assert findings(RULE, make_view(columns, SYNTHETIC)) == []


def test_without_a_loss_it_says_what_is_missing():
    assert RULE.measure(RunView(make_view({}, Signals()).run, Signals())).missing == ("train_loss",)


def steep_then_lost(lost, later):
    """Two levels learnt within a few points, kept for a while, and lost but for a part."""
    points = np.arange(90)
    level = np.where(
        points < 20, 1.6 + 0.9 * np.exp(-points / 2.0), np.interp(points, (20, 30, 89), (1.6, lost, later))
    )
    return level * np.exp(0.03 * np.random.default_rng(3).standard_normal(90))


def test_a_rise_soon_after_a_steep_start_is_dated_after_it_and_found_although_a_part_comes_back():
    (finding,) = findings(RULE, view_of(steep_then_lost(2.5, 2.2)))
    assert 100 <= finding.first_step <= 260


def test_the_steep_start_is_no_height_from_which_a_curve_has_come_back():
    assert findings(RULE, view_of(steep_then_lost(1.75, 1.65))) == []


def test_what_goes_up_and_down_where_nearly_nothing_is_left_does_not_run_away():
    points = np.arange(200)
    level = np.where(points < 100, 2.0 * np.exp(-points / 15.0) + 0.005, 0.015)
    loss = level * np.exp(0.1 * np.random.default_rng(0).standard_normal(200))
    assert findings(RULE, view_of(loss)) == []
    assert findings(RULE, view_of(loss + np.where(points < 100, 0.0, 0.1)))
