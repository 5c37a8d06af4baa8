"""A lasting slower pace is found and dated; machines that others use, restarts and larger batches are no fault."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.model import Restart
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.system.throughput_drop import ThroughputDrop
from trainvitals.signals import Signals

RULE = ThroughputDrop()
RECORDS = 120
STEPS = 10 * np.arange(1, RECORDS + 1)
LATE = STEPS >= 700
RNG = np.random.default_rng(0)
WOBBLE = np.exp(0.08 * RNG.standard_normal(RECORDS))
COMPUTATION = 0.010 * WOBBLE


def view_of(waiting, computation=COMPUTATION, waits_for=tags.DATA_TIME_S, extra=None, restarts=()):
    columns = {
        tags.STEP_TIME_S: (STEPS, waiting + computation),
        waits_for: (STEPS, waiting),
        tags.FORWARD_TIME_S: (STEPS, 0.4 * computation),
        tags.BACKWARD_TIME_S: (STEPS, 0.6 * computation),
        **(extra or {}),
    }
    return make_view(columns, Signals(step_time=(tags.STEP_TIME_S,)), restarts=restarts)


def slower(seconds):
    return np.where(LATE, seconds, 0.001)


def test_the_rule_keeps_the_contract():
    check_rule(ThroughputDrop)


@pytest.mark.parametrize("waits_for", [tags.DATA_TIME_S, tags.COMMUNICATION_TIME_S])
def test_a_training_that_waits_longer_from_some_step_on_is_a_warning(waits_for):
    (finding,) = findings(RULE, view_of(slower(0.02), waits_for=waits_for))
    assert finding.severity == "warning"
    assert finding.first_step == pytest.approx(700, abs=20)
    assert waits_for in finding.signals


@pytest.mark.parametrize(("seconds", "found"), [(0.005, False), (0.008, True)])
def test_the_growth_is_held_against_half_as_long_again(seconds, found):
    assert bool(findings(RULE, view_of(slower(seconds)))) is found


def test_a_machine_that_does_everything_slower_is_an_information():
    factor = np.where(LATE, 3.0, 1.0)
    (finding,) = findings(RULE, view_of(0.004 * factor, COMPUTATION * factor))
    assert finding.severity == "info"


def test_more_to_compute_is_an_information():
    (finding,) = findings(RULE, view_of(np.full(RECORDS, 0.001), COMPUTATION * np.where(LATE, 2.5, 1.0)))
    assert finding.severity == "info"


def test_a_pace_that_comes_back_is_no_drop():
    assert findings(RULE, view_of(np.where((STEPS > 500) & (STEPS < 900), 0.02, 0.001))) == []


def test_a_pace_that_changes_at_a_restart_is_that_of_another_machine():
    restarts = (Restart(step=705, previous_step=704, kind="session"),)
    assert findings(RULE, view_of(slower(0.02), restarts=restarts)) == []


def test_larger_batches_take_longer():
    batch = np.where(LATE, 640.0, 160.0)
    extra = {tags.SAMPLES: (STEPS, np.cumsum(batch))}
    assert findings(RULE, view_of(0.001 * batch / 160, COMPUTATION * batch / 160, extra=extra)) == []


def test_a_wild_but_steady_pace_is_healthy():
    wild = np.random.default_rng(1).standard_exponential(RECORDS) * 0.03
    assert findings(RULE, view_of(wild)) == []


def test_a_throughput_that_falls_is_a_slower_step_but_says_not_why():
    view = make_view({"fps": (STEPS, 300.0 * WOBBLE / np.where(LATE, 4.0, 1.0))}, Signals(throughput=("fps",)))
    (finding,) = findings(RULE, view)
    assert (finding.severity, finding.first_step) == ("info", 700)


def test_a_steady_pace_rules_it_out_and_a_slower_one_does_not():
    steady, drop = RULE.measure(view_of(slower(0.001))), RULE.measure(view_of(slower(0.02)))
    number = RULE.rule_out(steady, RULE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(1.0, rel=0.2)
    assert RULE.rule_out(drop, RULE.limits({})) is None


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({}, Signals()))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("step_time",)
