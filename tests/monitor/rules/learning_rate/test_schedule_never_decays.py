"""schedule-never-decays: a loss at rest at a rate that never came down. Progress, decays and faults are not it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.model import Run
from trainvitals.rules.learning_rate.schedule_never_decays import ScheduleNeverDecays
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = ScheduleNeverDecays()
STEPS = np.arange(0, 4000, 10)
CONSTANT = np.full(len(STEPS), 1e-3)


def resting(noise=0.003):
    return (1.0 + np.exp(-STEPS / 300.0)) * np.exp(noise * np.random.default_rng(0).standard_normal(len(STEPS)))


def view_of(rate=CONSTANT, loss=None, noise_scale=None, ratio=None, optimizer="AdamW"):
    columns = {"train": (STEPS, resting() if loss is None else loss), "rate": (STEPS, rate)}
    layers = layer_tags("update_ratio", 3)
    if noise_scale is not None:
        columns[tags.GRADIENT_NOISE_SCALE] = (STEPS, np.full(len(STEPS), noise_scale))
        columns[tags.SAMPLES] = (STEPS, 32.0 * STEPS)
    if ratio is not None:
        columns |= {tag: (STEPS, np.full(len(STEPS), ratio)) for tag in layers.tags}
    per_layer = {} if ratio is None else {"update_ratio": layers}
    signals = Signals(train_loss=("train",), learning_rate=("rate",), per_layer=per_layer)
    run = make_view(columns, signals).run
    return RunView(Run("r", "", "r", "test", run.series, hyper_parameters={"optimizer": optimizer}), signals)


def test_the_rule_keeps_the_contract():
    check_rule(ScheduleNeverDecays)


def test_a_loss_at_rest_at_a_constant_rate_is_an_information():
    (finding,) = findings(RULE, view_of())
    assert finding.severity == "info"
    assert {"train", "rate"} <= finding.signals


def test_a_noise_scale_beyond_the_batch_makes_it_surer():
    assert findings(RULE, view_of(noise_scale=320.0))[0].confidence > findings(RULE, view_of())[0].confidence


def test_a_warm_up_is_no_decay():
    assert severities(RULE, view_of(CONSTANT * np.minimum(1.0, (STEPS + 10) / 400))) == ["info"]


@pytest.mark.parametrize(("end", "found"), [(0.93, ["info"]), (0.8, [])])
def test_a_rate_that_has_come_down_is_silent(end, found):
    assert severities(RULE, view_of(CONSTANT * np.linspace(1.0, end, len(STEPS)))) == found


def test_a_rate_that_reached_its_height_late_is_silent():
    assert findings(RULE, view_of(CONSTANT * np.where(STEPS < 2500, 0.5, 1.0))) == []


def test_a_loss_that_still_falls_is_silent():
    assert findings(RULE, view_of(loss=2.0 * (1.0 + STEPS / 100.0) ** -0.4)) == []


def test_a_loss_that_never_fell_or_stands_at_one_value_is_silent():
    assert findings(RULE, view_of(loss=resting(0.003) / (1.0 + np.exp(-STEPS / 300.0)))) == []
    assert findings(RULE, view_of(loss=np.where(STEPS < 1500, 2.0 - STEPS / 1500.0, 1.0))) == []


def test_little_noise_and_tiny_updates_acquit():
    assert findings(RULE, view_of(noise_scale=3.2)) == []
    assert findings(RULE, view_of(ratio=1e-5)) == []
    assert severities(RULE, view_of(ratio=1e-3)) == ["info"]


def test_optimizers_that_need_no_schedule_are_left_out():
    assert RULE.measure(view_of(optimizer="AdamWScheduleFree")) == NotEnough()


def test_without_a_rate_it_abstains():
    no_rate = make_view({"train": (STEPS, resting())}, Signals(train_loss=("train",)))
    assert RULE.measure(no_rate).missing == ("learning_rate",)
