"""One matrix far out of step is found from where it is, if the loss pays for it; strong decay and zeros acquit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, STEPS, noisy, training
from tests.monitor.rules.views import findings, severities

from trainvitals import check_rule
from trainvitals.model import Series
from trainvitals.rules.updates.updates_too_large import UpdatesTooLarge
from trainvitals.view import RunView

RULE = UpdatesTooLarge()
LATE = (RECORDS >= 400)[:, None]
LAST = np.array([False, False, False, True])
PAYING = noisy(np.where(STEPS < 395, FALLING, 1.5))


def out_of_step(ratio=0.4, grown=4.0, loss=PAYING, **changes):
    ratios = np.where(LATE & LAST, ratio, 1e-3)
    return training(ratio=ratios, growth=np.where(LATE & LAST, grown, 1.0), loss=loss, **changes)


def test_the_rule_keeps_the_contract():
    check_rule(UpdatesTooLarge)


def test_one_fast_layer_that_the_loss_pays_for_is_a_warning_from_its_onset():
    (finding,) = findings(RULE, out_of_step())
    assert (finding.severity, finding.layers) == ("warning", ("head.weight",))
    assert (finding.first_step, finding.begins_by) == (391, 400)


def test_one_that_the_loss_does_not_mind_is_a_note():
    assert severities(RULE, out_of_step(loss=FALLING)) == ["info"]


@pytest.mark.parametrize(("ratio", "found"), [(0.09, False), (0.11, True)])
def test_the_ratio_is_held_against_a_tenth(ratio, found):
    assert bool(findings(RULE, out_of_step(ratio))) is found


@pytest.mark.parametrize(("grown", "found"), [(1.9, False), (2.1, True)])
def test_its_norm_must_double(grown, found):
    assert bool(findings(RULE, out_of_step(grown=grown))) is found


def test_a_norm_that_grows_back_to_what_it_was_is_not_running_away():
    shrunk = np.where((RECORDS >= 100) & (RECORDS < 400), 0.1, 1.0)[:, None]
    ratios = np.where(LATE & LAST, 0.4, 1e-3)
    assert findings(RULE, training(ratio=ratios, growth=np.where(LAST, shrunk, 1.0), loss=PAYING)) == []


def test_where_all_layers_are_fast_none_is_out_of_step():
    assert findings(RULE, training(ratio=0.4, growth=np.where(LATE, 4.0, 1.0), loss=PAYING)) == []


def test_strong_decay_brings_large_updates_in_equilibrium():
    strong = {**ADAM, "weight_decay": 20.0}
    assert findings(RULE, out_of_step(0.5, settings=strong)) == []
    assert findings(RULE, out_of_step(0.5))


def test_a_layer_that_began_at_zero_has_to_move_far():
    ratios = np.where((RECORDS < 100)[:, None] & LAST, 0.5, 1e-3)
    growth = np.where((RECORDS >= 10)[:, None] & LAST, 50.0, 1.0)
    assert findings(RULE, training(ratio=ratios, growth=growth, loss=noisy(np.full(len(STEPS), 2.3)))) == []


def test_gains_and_biases_are_left_out():
    layers = ("first.weight", "second.weight", "third.weight", "norm.weight")
    assert findings(RULE, out_of_step(layers=layers)) == []


@pytest.mark.parametrize(("after", "severity"), [(1.0, "info"), (6.0, "warning")])
def test_a_validation_loss_may_pay_where_the_training_loss_does_not(after, severity):
    view = out_of_step(loss=FALLING)
    step = STEPS[49::50]
    validation = np.interp(step, STEPS, FALLING) * np.where(step < 395, 1.0, after)
    series = {**view.run.series, "val": Series("val", step, np.full(len(step), np.nan), validation)}
    beside = RunView(replace(view.run, series=series), replace(view.signals, val_loss={"": "val"}))
    assert severities(RULE, beside) == [severity]


@pytest.mark.parametrize(("limit", "found"), [(0.04, True), (0.06, False)])
def test_a_limit_may_be_set_below_its_default(limit, found):
    view = out_of_step(0.05)
    settings = {"fastest_ratio": limit}
    view = RunView(view.run, view.signals, {RULE.name: settings})
    assert bool(findings(RULE, view, **settings)) is found
