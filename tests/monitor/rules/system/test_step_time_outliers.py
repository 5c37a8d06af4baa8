"""Rare slow steps that cost much are found; slower stretches, checkpoints, validation and busy machines are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.system.step_time_outliers import StepTimeOutliers
from trainvitals.signals import Signals

RULE = StepTimeOutliers()
RECORDS = 150
STEPS = 10 * np.arange(1, RECORDS + 1)
RNG = np.random.default_rng(0)
USUAL = 0.01 * np.exp(0.08 * RNG.standard_normal(RECORDS))
RARE = RNG.random(RECORDS) < 0.12


def view_of(step_time, computation=USUAL, val_steps=None):
    columns = {
        tags.STEP_TIME_S: (STEPS, step_time),
        tags.FORWARD_TIME_S: (STEPS, 0.4 * computation),
        tags.BACKWARD_TIME_S: (STEPS, 0.5 * computation),
    }
    signals = Signals(step_time=(tags.STEP_TIME_S,))
    if val_steps is not None:
        columns["val"] = (val_steps, np.ones(len(val_steps)))
        signals = Signals(step_time=(tags.STEP_TIME_S,), val_loss={"": "val"})
    return make_view(columns, signals)


def test_the_rule_keeps_the_contract():
    check_rule(StepTimeOutliers)


def test_rare_slow_steps_that_cost_much_are_a_warning():
    (finding,) = findings(RULE, view_of(USUAL + 0.05 * RARE))
    assert finding.severity == "warning"
    assert finding.first_step == STEPS[RARE][0]


@pytest.mark.parametrize(("seconds", "found"), [(0.008, False), (0.025, True)])
def test_the_lost_time_is_held_against_its_limit(seconds, found):
    assert bool(findings(RULE, view_of(USUAL + seconds * RARE))) is found


def test_a_few_accidents_are_none():
    slow = np.isin(np.arange(RECORDS), [20, 60, 61, 110])
    assert findings(RULE, view_of(USUAL + 1.0 * slow)) == []


def test_a_slower_stretch_is_no_row_of_outliers():
    assert findings(RULE, view_of(USUAL * np.where(STEPS > 900, 4.0, 1.0))) == []


def test_what_comes_like_a_clock_is_an_information():
    assert severities(RULE, view_of(USUAL + 0.3 * (np.arange(RECORDS) % 15 == 7))) == ["info"]


def test_a_machine_that_others_use_is_an_information():
    slow = USUAL * np.where(RARE, 6.0, 1.0)
    assert severities(RULE, view_of(slow, computation=slow)) == ["info"]


def test_records_with_a_validation_in_them_do_not_count():
    irregular = np.sort(RNG.choice(np.arange(20, 1480), 18, replace=False))
    slow = np.isin(np.arange(RECORDS), np.searchsorted(STEPS, irregular))
    assert findings(RULE, view_of(USUAL + 0.5 * slow, val_steps=irregular)) == []
    assert findings(RULE, view_of(USUAL + 0.5 * slow)) != []


def test_stalls_of_one_half_of_the_run_only_are_none():
    assert findings(RULE, view_of(USUAL + 0.1 * (RARE & (STEPS < 700)))) == []


def test_without_the_computation_beside_it_it_is_an_information():
    view = make_view({tags.STEP_TIME_S: (STEPS, USUAL + 0.05 * RARE)}, Signals(step_time=(tags.STEP_TIME_S,)))
    assert severities(RULE, view) == ["info"]


def test_dense_records_count_for_the_steps_that_they_cover():
    steps = np.concatenate([10 * np.arange(1, 101), 1000 + np.arange(1, 31)])
    value = np.where((steps > 1000) & (steps % 4 == 0), 0.1, 0.01)
    view = make_view({tags.STEP_TIME_S: (steps, value)}, Signals(step_time=(tags.STEP_TIME_S,)))
    assert findings(RULE, view) == []


def test_a_steady_pace_rules_it_out_by_its_number():
    number = RULE.rule_out(RULE.measure(view_of(USUAL)), RULE.limits({}))
    assert number is not None
    assert number.value == 0.0
    assert RULE.rule_out(RULE.measure(view_of(USUAL + 0.05 * RARE)), RULE.limits({})) is None


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({}, Signals()))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("step_time",)
