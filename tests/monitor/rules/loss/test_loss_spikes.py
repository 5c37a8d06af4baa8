"""Frequent and lingering spikes are a warning, rare ones an information, and what noise does is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals.model import Restart
from trainvitals.rules.loss.loss_spikes import LossSpikes
from trainvitals.signals import Signals
from trainvitals.synth import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = LossSpikes()
POINTS = 1000
STEPS = 10 * np.arange(POINTS)
LEVEL = 1.0 + 3.0 * (1.0 + np.arange(POINTS) / 20.0) ** -0.5


def noisy(sd=0.01, seed=0):
    return LEVEL * np.exp(sd * np.random.default_rng(seed).standard_normal(POINTS))


def spiked(*indices, factor=1.5, length=1, sd=0.01):
    loss = noisy(sd)
    for index in indices:
        loss[index : index + length] *= factor
    return loss


def view_of(loss, rate=None, *, supervised=True, restarts=()):
    columns = {"loss": (STEPS[: len(loss)], loss)}
    if rate is not None:
        columns["rate"] = (STEPS, rate)
    rates = () if rate is None else ("rate",)
    signals = Signals(train_loss=("loss",), learning_rate=rates, supervised=supervised)
    return make_view(columns, signals, restarts=restarts)


def test_three_spikes_in_a_thousand_points_are_a_warning_from_the_first_on():
    (finding,) = findings(RULE, view_of(spiked(301, 502, 777)))
    assert finding.severity == "warning"
    assert (finding.first_step, finding.last_step) == (3010, 7770)
    assert {3010, 5020, 7770} <= {item.step for item in finding.evidence}


def test_two_spikes_are_an_information():
    assert severities(RULE, view_of(spiked(301, 777))) == ["info"]


def test_spikes_that_one_cannot_see_in_a_plot_are_an_information():
    assert severities(RULE, view_of(spiked(301, 502, 777, factor=1.05, sd=0.001))) == ["info"]


def test_one_spike_that_lingers_is_a_warning():
    assert severities(RULE, view_of(spiked(400, length=60))) == ["warning"]


def test_one_small_spike_in_a_noisy_loss_is_nothing():
    assert findings(RULE, view_of(spiked(400, factor=3.0, sd=0.15))) == []


@pytest.mark.parametrize("sd", [0.01, 0.3, 1.8])
def test_noise_is_nothing(sd):
    assert findings(RULE, view_of(noisy(sd))) == []


def test_a_restart_is_no_spike():
    loss = np.concatenate([noisy()[:500], 1.3 * noisy()[250:750]])
    assert findings(RULE, view_of(loss, restarts=(Restart(5000, 4990, "session"),))) == []


def test_the_answer_to_a_raised_learning_rate_is_no_spike():
    rate = np.where(np.isin(np.arange(POINTS) // 20, (15, 25, 35)), 3e-3, 1e-3)
    loss = noisy() * np.where(rate > 1e-3, 1.5, 1.0)
    assert severities(RULE, view_of(loss)) == ["warning"]
    assert findings(RULE, view_of(loss, rate=rate)) == []


def short_view(loss, val):
    signals = Signals(train_loss=("loss",), val_loss={"": "val"})
    return make_view({"loss": (np.arange(len(loss)), loss), "val": (np.arange(len(val)), val)}, signals)


@pytest.mark.parametrize("points", [12, 150])
def test_a_validation_loss_that_leaves_its_scale_and_returns_is_an_information(points):
    loss, val = noisy(0.03)[:points], noisy(0.05, seed=1)[:points]
    assert findings(RULE, short_view(loss, val)) == []
    val[3] *= 200.0
    (finding,) = findings(RULE, short_view(loss, val))
    assert (finding.severity, finding.first_step, finding.signals) == ("info", 3, {"val"})


def test_a_validation_loss_that_bounces_is_left_alone():
    val = noisy(0.05, seed=1)[:150]
    val[[40, 80, 120]] *= 4.0
    assert findings(RULE, short_view(noisy(0.03)[:150], val)) == []


def test_often_repeated_excursions_of_the_validation_loss_alone_are_no_alarm():
    val = noisy(0.05, seed=1)[:150]
    val[[40, 80, 120]] *= 100.0
    assert severities(RULE, short_view(noisy(0.03)[:150], val)) == ["info"]


def test_a_few_points_are_enough_for_an_excursion_beyond_all_scales():
    loss = noisy(0.03)[:14]
    loss[5] *= 300.0
    (finding,) = findings(RULE, short_view(loss, noisy(0.03, seed=1)[:14]))
    assert (finding.severity, finding.signals) == ("info", {"loss"})


def test_an_excursion_that_was_named_stays_named_when_the_loss_grows_wild():
    loss = np.concatenate([noisy(0.05)[:100], np.exp(1.5 * np.random.default_rng(0).standard_normal(400))])
    loss[50] *= 50.0
    for points in (100, 500):
        assert 500 in [item.step for finding in findings(RULE, view_of(loss[:points])) for item in finding.evidence]


def test_reinforcement_learning_is_not_judged():
    assert findings(RULE, view_of(spiked(301, 502, 777), supervised=False)) == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("heavy_tails", [False, True])
def test_healthy_runs_have_no_warning(shape, heavy_tails):
    signals = Signals(train_loss=("train/loss",), learning_rate=("learning_rate/group0",))
    run = healthy_run(shape, noise=0.03, heavy_tails=heavy_tails).run
    assert "warning" not in severities(RULE, RunView(run, signals))


def test_the_thresholds_can_be_set():
    assert severities(RULE, view_of(spiked(301, 502, 777)), frequent_spikes=4) == ["info"]


@pytest.mark.parametrize(("level", "severity"), [(0.005, "info"), (0.05, "warning")])
def test_what_peaks_far_below_the_first_loss_gives_back_hardly_anything(level, severity):
    loss = spiked(501, factor=5.0, length=30) * np.where(np.arange(POINTS) < 100, 1.0, level)
    loss[:100] *= np.linspace(1.0, level, 100)
    assert severities(RULE, view_of(loss)) == [severity]
