"""Gradients that nobody empties are found from the step on at which that began; accumulation on purpose is none."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import Config, Run, check_rule, diagnose, tags
from trainvitals.model import Series
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.stale_gradients import StaleGradients
from trainvitals.signals import Signals

RULE = StaleGradients()
RECORDS = 50
STEPS = 10 * np.arange(RECORDS)


def view_of(kept, tag=tags.GRADIENTS_KEPT):
    return make_view({tag: (STEPS[: len(kept)], kept)}, Signals())


def test_the_rule_keeps_the_contract():
    check_rule(StaleGradients)


def test_gradients_kept_from_some_step_on_are_an_error_since_then():
    (finding,) = findings(RULE, view_of(np.where(STEPS >= 170, 1.0, 0.0)))
    assert (finding.severity, finding.first_step, finding.last_step) == ("error", 170, 490)


def test_gradients_kept_from_the_start_are_found():
    (finding,) = findings(RULE, view_of(np.where(STEPS >= 10, 1.0, 0.0)))
    assert finding.first_step == 10


def test_emptied_gradients_are_no_finding_and_rule_it_out():
    measured = RULE.measure(view_of(np.zeros(RECORDS)))
    assert not isinstance(measured, NotEnough)
    assert RULE.judge(measured, RULE.limits({})) == []
    assert RULE.rule_out(measured, RULE.limits({})) is not None


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_gradients_kept_now_and_then_are_no_finding_and_rule_out_nothing(share):
    kept = (np.random.default_rng(0).random(RECORDS) < share).astype(float)
    kept[-1] = 0.0
    measured = RULE.measure(view_of(kept))
    assert not isinstance(measured, NotEnough)
    assert RULE.judge(measured, RULE.limits({})) == []
    assert RULE.rule_out(measured, RULE.limits({})) is None


@pytest.mark.parametrize(("records", "found"), [(2, False), (3, True)])
def test_three_records_are_enough(records, found):
    assert bool(findings(RULE, view_of(np.where(np.arange(RECORDS) >= RECORDS - records, 1.0, 0.0)))) is found


def test_one_emptied_gradient_at_the_edge_of_an_epoch_does_not_move_the_onset():
    kept = np.ones(RECORDS)
    kept[[0, 20]] = 0.0
    (finding,) = findings(RULE, view_of(kept))
    assert finding.first_step == 10


def test_a_training_that_was_mended_is_no_finding():
    assert findings(RULE, view_of(np.where(STEPS < 300, 1.0, 0.0))) == []


def test_one_of_several_optimizers_is_enough():
    columns = {
        tags.of_optimizer(tags.GRADIENTS_KEPT, 0): (STEPS, np.zeros(RECORDS)),
        tags.of_optimizer(tags.GRADIENTS_KEPT, 1): (STEPS, np.ones(RECORDS)),
    }
    (finding,) = findings(RULE, make_view(columns, Signals()))
    assert finding.signals == {tags.of_optimizer(tags.GRADIENTS_KEPT, 1)}


def test_without_the_hooks_it_says_what_would_record_it():
    measured = RULE.measure(make_view({"loss": (STEPS, np.ones(RECORDS))}, Signals(train_loss=("loss",))))
    assert measured == NotEnough((tags.GRADIENTS_KEPT,), "vitals = trainvitals.watch(model, optimizer)")


def test_it_explains_the_loss_that_runs_away_after_it():
    step = np.arange(1000)
    loss = np.where(step < 300, 2.0 * np.exp(-step / 200), 0.45 * 1.02 ** np.minimum(step - 300, 300))
    columns = {tags.TRAIN_LOSS: (step, loss), tags.GRADIENTS_KEPT: (step[::10], (step[::10] >= 290).astype(float))}
    series = {tag: Series(tag, s, s.astype(float), v) for tag, (s, v) in columns.items()}
    diagnosis = diagnose(Run("r", "", "r", "test", series, hyper_parameters={"trainvitals": "0.1.0"}), Config())
    alarms = [finding for finding in diagnosis.findings if finding.severity != "info"]
    assert [finding.name for finding in alarms] == ["stale-gradients"]
    assert "diverging-loss" in alarms[0].consequences
