"""input-bound: waits that rule the steps are found, those of the loop itself or of a validation are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.system.input_bound import InputBound
from trainvitals.signals import Signals

RULE = InputBound()
RECORDS = 10 * np.arange(100)
SIGNALS = Signals(step_time=(tags.STEP_TIME_S,))


def view_of(wait_s, compute_s=0.01, seed=0):
    jitter = np.exp(0.2 * np.random.default_rng(seed).standard_normal(len(RECORDS)))
    wait_s = np.broadcast_to(wait_s, RECORDS.shape) * jitter
    columns = {tags.DATA_TIME_S: (RECORDS, wait_s), tags.STEP_TIME_S: (RECORDS, wait_s + compute_s)}
    return make_view(columns, SIGNALS)


def test_the_rule_keeps_the_contract():
    check_rule(InputBound)


def test_a_slow_loader_is_found_with_its_share():
    (finding,) = findings(RULE, view_of(0.03))
    assert finding.severity == "warning"
    assert finding.evidence[0].value == pytest.approx(0.75, abs=0.03)
    assert finding.first_step == RECORDS[1]


def test_a_loader_that_becomes_slow_is_dated():
    (finding,) = findings(RULE, view_of(np.where(RECORDS >= 455, 0.03, 0.0005)))
    assert finding.first_step == pytest.approx(455, abs=60)


def test_a_fast_loader_is_silent_and_rules_waiting_out():
    view = view_of(0.0005)
    assert findings(RULE, view) == []
    assert "%" in RULE.rule_out(RULE.measure(view), RULE.limits({})).text


def test_validation_and_checkpoints_lengthen_single_waits_and_are_not_blamed():
    assert findings(RULE, view_of(np.where(np.arange(100) % 5 == 0, 2.0, 0.0005), compute_s=0.01)) == []


def test_steps_that_python_rules_are_not_blamed_on_the_data():
    assert findings(RULE, view_of(0.0004, compute_s=0.0004)) == []


@pytest.mark.parametrize(("since", "found"), [(550, 1), (650, 0)])
def test_a_short_stretch_of_waiting_is_another_program_on_the_machine(since, found):
    assert len(findings(RULE, view_of(np.where(since <= RECORDS, 0.03, 0.0005)))) == found


def test_a_busy_machine_makes_some_steps_wait_and_not_nearly_all():
    assert findings(RULE, view_of(np.where(np.arange(100) % 5 < 3, 0.03, 0.0006))) == []


@pytest.mark.parametrize("while_", [RECORDS < 400, RECORDS < 800])
def test_waits_that_are_over_are_not_reported(while_):
    view = view_of(np.where(while_, 0.03, 0.0005))
    assert findings(RULE, view) == []
    assert (RULE.rule_out(RULE.measure(view), RULE.limits({})) is None) is bool(while_.mean() > 1 / 2)


@pytest.mark.parametrize(("wait_s", "found"), [(0.0021, 0), (0.0031, 1)])
def test_the_limit_is_a_fifth_of_the_step(wait_s, found):
    assert len(findings(RULE, view_of(wait_s))) == found


def test_the_first_record_does_not_count():
    view = view_of(np.where(RECORDS == 0, 500.0, 0.0005))
    assert findings(RULE, view) == []
    assert RULE.measure(view).step[0] == RECORDS[1]


def test_without_times_it_says_how_to_log_them():
    measured = RULE.measure(make_view({"loss": ([1], [1.0])}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert "watch" in measured.how
