"""Synthetic runs are what they claim to be: the fault is there, from the stated step on, and nothing before it."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals import tags
from trainvitals.synth import FAULTS, SCENARIOS, SHAPES, healthy_run, sick_run
from trainvitals.synth.curves import ar1_noise, heavy_tailed_noise


def column(synthetic, tag):
    series = synthetic.run.series[tag]
    return series.step, series.value


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_arguments_give_the_same_run(name):
    first, second = SCENARIOS[name](seed=3), SCENARIOS[name](seed=3)
    assert first.truth == second.truth
    for tag, series in first.run.series.items():
        np.testing.assert_array_equal(series.value, second.run.series[tag].value)


@pytest.mark.parametrize("name", SCENARIOS)
def test_another_seed_gives_another_run(name):
    _, first = column(SCENARIOS[name](seed=1), tags.TRAIN_LOSS)
    _, second = column(SCENARIOS[name](seed=2), tags.TRAIN_LOSS)
    assert not np.array_equal(first, second, equal_nan=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_healthy_loss_falls_and_nothing_is_expected(shape):
    synthetic = healthy_run(shape)
    _, loss = column(synthetic, tags.TRAIN_LOSS)
    tenth = len(loss) // 10
    assert np.isfinite(loss).all()
    assert np.median(loss[-tenth:]) < 0.8 * np.median(loss[:tenth])
    assert synthetic.truth.expected == ()
    assert synthetic.truth.onset_step is None


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"not-learning", "vanishing-gradients", "stacked-runs"}))
def test_nothing_differs_from_the_healthy_twin_before_the_onset(kind):
    sick, healthy = sick_run(kind, onset=0.6, seed=5), healthy_run(seed=5)
    assert sick.truth.onset_step == 2400
    for tag, series in healthy.run.series.items():
        before = series.step < 2400
        np.testing.assert_array_equal(sick.run.series[tag].value[: before.sum()], series.value[before], err_msg=tag)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_changes_the_run_and_names_its_finding(kind):
    sick, healthy = sick_run(kind, seed=5), healthy_run(seed=5)
    assert sick.truth.expected == (kind,)
    assert any(
        not np.array_equal(series.value, healthy.run.series[tag].value) for tag, series in sick.run.series.items()
    )


@pytest.mark.parametrize("kind", ["plateau", "learning-rate-exhausted"])
def test_a_stalled_loss_keeps_its_level_while_the_healthy_one_falls(kind):
    step, stalled = column(sick_run(kind, onset=0.5), tags.TRAIN_LOSS)
    _, healthy = column(healthy_run(), tags.TRAIN_LOSS)
    third, last = (step >= 2000) & (step < 2800), step >= 3200
    assert abs(np.median(stalled[last]) / np.median(stalled[third]) - 1.0) < 0.005
    assert np.median(healthy[last]) < 0.97 * np.median(healthy[third])


def test_only_the_exhausted_rate_is_zero():
    _, exhausted = column(sick_run("learning-rate-exhausted", onset=0.5), tags.learning_rate(0))
    _, stalled = column(sick_run("plateau", onset=0.5), tags.learning_rate(0))
    assert (exhausted[200:] == 0.0).all()
    assert (exhausted[:200] > 0.0).all()
    assert (stalled > 0.0).all()


def test_a_nan_stays():
    step, loss = column(sick_run("non-finite-loss", onset=0.3), tags.TRAIN_LOSS)
    assert np.isnan(loss[step >= 1200]).all()
    assert np.isfinite(loss[step < 1200]).all()


def test_a_diverged_loss_never_comes_back():
    step, loss = column(sick_run("diverging-loss", onset=0.3), tags.TRAIN_LOSS)
    assert loss[step > 1500].min() > 3.0 * loss[step < 1200].max()


def test_spikes_are_few_high_and_short():
    synthetic = sick_run("loss-spikes", onset=0.3)
    step, loss = column(synthetic, tags.TRAIN_LOSS)
    _, healthy = column(healthy_run(), tags.TRAIN_LOSS)
    ratio = loss / healthy
    high = ratio > 2.5
    assert 4 <= high.sum() <= 12
    assert step[ratio > 1.01][0] == synthetic.truth.onset_step
    assert (ratio == 1.0).mean() > 0.9


def test_overfitting_raises_validation_and_leaves_training_alone():
    sick, healthy = sick_run("overfitting", onset=0.3), healthy_run()
    _, val = column(sick, tags.VALIDATION_LOSS)
    assert val[-1] > 1.4 * val.min()
    np.testing.assert_array_equal(column(sick, tags.TRAIN_LOSS)[1], column(healthy, tags.TRAIN_LOSS)[1])


def test_vanished_gradients_shrink_towards_the_input():
    run = sick_run("vanishing-gradients").run
    norms = [np.median(run.series[tags.per_layer("grad_norm", f"layers.{layer}")].value) for layer in range(6)]
    assert norms == sorted(norms)
    assert norms[0] < 1e-7 * norms[-1]


def test_exploded_gradients_grow_in_every_layer():
    step, norm = column(sick_run("exploding-gradients", onset=0.3), tags.GRADIENT_NORM)
    assert norm[step > 1500].min() > 1e3 * norm[step < 1200].max()


@pytest.mark.parametrize(
    ("kind", "goes_back_to", "from_step"), [("restarted-run", 2000, 2200), ("stacked-runs", 0, 4000)]
)
def test_steps_go_back_where_the_restart_says(kind, goes_back_to, from_step):
    run = sick_run(kind, onset=0.5).run
    (restart,) = run.restarts
    step = run.series[tags.TRAIN_LOSS].step
    (back,) = np.flatnonzero(np.diff(step) <= 0)
    assert (step[back], step[back + 1]) == (restart.previous_step, restart.step) == (from_step, goes_back_to)
    assert step[-1] == 4000


def test_noise_has_the_stated_spread_and_correlation():
    rng = np.random.default_rng(0)
    correlated = ar1_noise(rng, 20_000, std=0.2, correlation=0.7)
    assert abs(correlated.std() / 0.2 - 1.0) < 0.05
    assert abs(np.corrcoef(correlated[:-1], correlated[1:])[0, 1] - 0.7) < 0.03
    heavy = heavy_tailed_noise(rng, 20_000, std=0.2, degrees_of_freedom=5.0)
    assert abs(heavy.std() / 0.2 - 1.0) < 0.1
    assert np.abs(heavy).max() > 6.0 * np.median(np.abs(heavy)) / 0.6745


def test_what_cannot_be_made_is_refused():
    with pytest.raises(KeyError):
        healthy_run("zigzag")
    with pytest.raises(KeyError):
        sick_run("tired")
    with pytest.raises(ValueError, match="20 are the least"):
        healthy_run(steps=100)
    with pytest.raises(ValueError, match="between"):
        sick_run("plateau", onset=1.5)
