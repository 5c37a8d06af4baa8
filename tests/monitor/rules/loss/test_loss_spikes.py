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
    columns = {"loss": (STEPS, loss)}
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
