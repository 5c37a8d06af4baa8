"""periodic-loss: a swing of fixed period is found; noise, schedules and steps from epoch to epoch are not warned of."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule
from trainvitals.rules.loss.periodic_loss import PeriodicLoss
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.synth import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = PeriodicLoss()
STEPS = np.arange(1500)
FALLING = 0.5 + 1.5 * np.exp(-STEPS / 300)


def noise(seed=0, relative=0.03):
    return np.exp(relative * np.random.default_rng(seed).standard_normal(len(STEPS)))


def view_of(loss, rate=None, steps=STEPS, **more):
    columns = {"loss": (steps, loss)}
    if rate is not None:
        columns["rate"] = (steps, rate)
    return make_view(columns, Signals(train_loss=("loss",), learning_rate=() if rate is None else ("rate",)), **more)


def blocks_of_classes(swing=0.3, period=93):
    """The loss falls within the block of each of three classes and jumps up at the next."""
    return 1.0 + swing * (1.0 - STEPS % (period / 3) / (period / 3)) * (1.0 + 0.3 * (STEPS % period < period / 3))


def test_the_rule_keeps_the_contract():
    check_rule(PeriodicLoss)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_found_in_a_healthy_run(shape):
    run = healthy_run(shape).run
    assert findings(RULE, RunView(run, Signals(train_loss=("train/loss",)))) == []


def test_data_sorted_by_class_are_a_warning_with_the_period_in_steps():
    (finding,) = findings(RULE, view_of(FALLING * blocks_of_classes() * noise(), steps=10 * STEPS))
    assert finding.severity == "warning"
    assert finding.evidence[0].text.endswith("46 cycles")  # of a block of 310 steps
    assert finding.first_step == 0


def test_a_learning_rate_of_the_same_period_explains_it():
    rate = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * (STEPS % 150) / 150))
    loss = FALLING * (1 + 0.5 * rate / 1e-3) * noise()
    assert severities(RULE, view_of(loss)) == ["warning"]
    assert findings(RULE, view_of(loss, rate)) == []


def test_a_loss_that_steps_down_once_an_epoch_is_an_information():
    remembered = 1.0 + 0.3 * (STEPS % 150) / 150
    assert severities(RULE, view_of(remembered * noise(relative=0.01))) == ["info"]
    staircase = 2.0 * 0.7 ** (STEPS // 150)
    assert "warning" not in severities(RULE, view_of(staircase * noise(relative=0.01)))


@pytest.mark.parametrize("seed", range(5))
def test_random_batches_in_a_fixed_order_repeat_the_noise_and_are_an_information(seed):
    batches = np.exp(0.08 * np.random.default_rng(seed).standard_normal(16))
    (finding,) = findings(RULE, view_of(FALLING * batches[STEPS % 16] * noise(relative=0.02)))
    assert finding.severity == "info"
    assert "noise" in finding.summary
    batches = np.exp(0.08 * np.random.default_rng(seed).standard_normal(93))
    assert "warning" not in severities(RULE, view_of(FALLING * batches[STEPS % 93] * noise(relative=0.02)))


@pytest.mark.parametrize(("swing", "severity"), [(0.04, "info"), (0.2, "warning")])
def test_a_swing_that_one_does_not_see_is_an_information(swing, severity):
    assert severities(RULE, view_of((1 + swing * np.sin(STEPS / 15)) * noise(relative=0.01) * 1.0)) == [severity]


@pytest.mark.parametrize("seed", range(5))
def test_a_rhythm_that_drifts_is_that_of_the_training(seed):
    pace = 0.1 * (1 + 0.5 * np.cumsum(np.random.default_rng(seed).standard_normal(len(STEPS))) / 40)
    assert findings(RULE, view_of(FALLING * (1 + 0.1 * np.sin(np.cumsum(pace))) * noise(seed))) == []


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tailed_noise_has_no_period(seed):
    wild = np.exp(0.1 * np.random.default_rng(seed).standard_t(2, len(STEPS)).clip(-20, 20))
    assert findings(RULE, view_of(FALLING * wild)) == []


def test_without_a_training_loss_it_abstains():
    assert isinstance(RULE.measure(make_view({"val": (STEPS, FALLING)}, Signals(val_loss={"": "val"}))), NotEnough)


def test_a_period_is_looked_for_at_one_height_of_the_rate_where_the_whole_has_none():
    steps = 10 * np.arange(120)
    cut = np.where(steps < 600, 1.0, 0.1)
    swing = np.where(steps < 600, 0.6 * np.sin(2 * np.pi * steps / 20.9), 0.1 * np.sin(2 * np.pi * steps / 125))
    loss = (1.0 + swing) * noise()[:120]
    (finding,) = findings(RULE, view_of(loss, 0.05 * cut, steps))
    assert (finding.severity, finding.first_step, finding.last_step) == ("warning", 0, 590)
    assert "period of 20." in finding.summary
    assert findings(RULE, view_of(loss, np.full(120, 0.05), steps)) == []
