"""A rate that throws the weights off is found from the start and where it jumps; large updates alone are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, SGD, STEPS, STUCK, noisy, training
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule
from trainvitals.model import Severity
from trainvitals.rules.learning_rate.learning_rate_too_high import LearningRateTooHigh
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = LearningRateTooHigh()
SIGNALS = Signals(train_loss=("loss",), learning_rate=("rate",))
THROWN = np.where(RECORDS < 30, 0.5, 0.01)
BLOWN = np.where(RECORDS < 10, 1.0, 5.0)
JUMP = np.where(RECORDS <= 500, 0.01, 0.3)
UP = np.where(STEPS < 505, FALLING, noisy(np.full(len(STEPS), 2.5), seed=1))


def plain(loss=UP, rate=JUMP):
    return make_view({"loss": (STEPS, loss), "rate": (RECORDS, rate)}, SIGNALS)


def test_the_rule_keeps_the_contract():
    check_rule(LearningRateTooHigh)


def test_weights_remade_by_the_first_updates_and_a_loss_that_gets_nowhere_are_a_warning():
    (finding,) = findings(RULE, training(ratio=THROWN, growth=BLOWN, loss=STUCK))
    assert (finding.severity, finding.first_step) == (Severity.WARNING, 0)
    assert {item.threshold for item in finding.evidence} >= {0.1, 2.0, 0.05}


def test_a_loss_that_blows_up_first_is_harmed_though_it_falls_later():
    loss = np.where(STEPS < 20, np.where(STEPS == 0, 2.3, 8.0), FALLING)
    assert severities(RULE, training(ratio=THROWN, growth=BLOWN, loss=loss)) == ["warning"]


def test_a_loss_that_ends_in_nan_is_an_error():
    loss = np.where(STEPS < 40, 2.3, np.nan)
    assert severities(RULE, training(ratio=THROWN, growth=np.nan, loss=loss)) == ["error"]


def test_weights_that_only_shrink_are_not_what_made_a_loss_nan():
    loss = np.where(STEPS < 40, 2.3, np.nan)
    assert findings(RULE, training(ratio=THROWN, growth=np.where(RECORDS < 2, 1.0, 0.1), loss=loss)) == []


@pytest.mark.parametrize(
    ("ratio", "growth", "loss"), [(THROWN, BLOWN, FALLING), (0.02, BLOWN, STUCK), (THROWN, 1.5, STUCK)]
)
def test_large_updates_that_do_no_harm_and_harm_without_large_updates_are_silent(ratio, growth, loss):
    assert findings(RULE, training(ratio=ratio, growth=growth, loss=loss)) == []


@pytest.mark.parametrize(("ratio", "found"), [(0.09, False), (0.11, True)])
def test_the_ratio_is_held_against_a_tenth(ratio, found):
    growth = np.where(RECORDS < 10, 1.0, 2.5)
    assert bool(findings(RULE, training(ratio=ratio, growth=growth, loss=STUCK))) is found


@pytest.mark.parametrize(("grown", "found"), [(1.9, False), (2.1, True)])
def test_the_norm_must_double(grown, found):
    growth = np.where(RECORDS < 10, 1.0, grown)
    assert bool(findings(RULE, training(ratio=THROWN, growth=growth, loss=STUCK))) is found


@pytest.mark.parametrize(("grown", "ratio", "found"), [(2.9, 0.05, False), (3.1, 0.05, True), (3.1, 0.02, False)])
def test_under_a_warm_up_the_norms_give_it_away(grown, ratio, found):
    growth = np.where(RECORDS < 10, 1.0, grown)
    assert bool(findings(RULE, training(ratio=ratio, growth=growth, loss=STUCK))) is found


def test_a_rate_that_jumps_together_with_the_loss_is_found_without_hooks():
    (finding,) = findings(RULE, plain())
    assert finding.severity is Severity.ERROR
    assert (finding.first_step, finding.begins_by) == (501, 510)


def test_a_rate_that_jumps_before_the_loss_turns_nan_is_found():
    assert severities(RULE, plain(np.where(STEPS < 509, FALLING, np.nan))) == ["error"]


def test_a_jump_that_the_loss_recovers_from_at_once_is_silent():
    assert findings(RULE, plain(np.where((STEPS > 505) & (STEPS < 530), 5.0, FALLING))) == []


def test_a_warm_restart_reaches_no_new_height():
    rate = 0.3 * (1 - (RECORDS % 510) / 510)
    assert findings(RULE, plain(rate=rate)) == []


def test_a_warm_up_is_no_jump():
    assert findings(RULE, plain(FALLING, np.minimum(0.1, 0.001 * (RECORDS + 1)))) == []


@pytest.mark.parametrize(("factor", "found"), [(1.9, False), (2.1, True)])
def test_the_rate_must_double(factor, found):
    assert bool(findings(RULE, plain(rate=np.where(RECORDS <= 500, 0.01, 0.01 * factor)))) is found


def test_a_rise_of_less_than_a_tenth_is_silent():
    level = np.where(STEPS < 505, 1.0, 1.08)
    assert findings(RULE, plain(noisy(level, 0.005))) == []
    assert findings(RULE, plain(noisy(np.where(STEPS < 505, 1.0, 1.2), 0.005)))


def test_without_rate_and_updates_it_asks_for_the_rate():
    missing = RULE.measure(make_view({"loss": (STEPS, FALLING)}, Signals(train_loss=("loss",))))
    assert isinstance(missing, NotEnough)
    assert missing.missing == ("learning_rate",)


def test_small_first_updates_rule_it_out_and_large_ones_do_not():
    for ratio, ruled_out in ((1e-3, True), (0.05, False)):
        measurement = RULE.measure(training(ratio=ratio, settings=SGD))
        assert (RULE.rule_out(measurement, RULE.limits({})) is not None) is ruled_out


def test_a_transformer_that_only_lacks_its_warm_up_is_left_to_its_own_rule():
    layers = ("blocks.0.qkv.weight", "blocks.0.up.weight", "head.weight")
    loss = np.where(STEPS < 20, np.where(STEPS == 0, 2.3, 8.0), FALLING)
    assert findings(RULE, training(ratio=THROWN, growth=BLOWN, loss=loss, layers=layers, settings=ADAM)) == []
    assert findings(RULE, training(ratio=4 * THROWN, growth=BLOWN, loss=loss, layers=layers, settings=ADAM))


@pytest.mark.parametrize(("later", "found"), [(1.5, True), (1.05, False)])
def test_a_loss_that_never_comes_back_to_where_it_was_in_the_first_steps_is_harmed(later, found):
    loss = noisy(np.where(STEPS < 60, np.maximum(2.3 - STEPS / 25, 1.0), later))
    assert bool(findings(RULE, training(ratio=THROWN, growth=BLOWN, loss=loss))) is found
    assert findings(RULE, training(ratio=0.01, growth=1.1, loss=loss)) == []
