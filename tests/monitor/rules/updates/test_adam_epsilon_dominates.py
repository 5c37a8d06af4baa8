"""An epsilon that outweighs the gradient from the start is found where the training is stuck for it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, SGD, STEPS, STUCK, training
from tests.monitor.rules.views import findings, severities

from trainvitals import check_rule
from trainvitals.interventions.registry import all_interventions
from trainvitals.rules.learning_rate.learning_rate_too_low import LearningRateTooLow
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.adam_epsilon_dominates import AdamEpsilonDominates

RULE = AdamEpsilonDominates()


def damped(share=1.0, **changes):
    given = {"ratio": 1e-6, "loss": STUCK, "epsilon_share": share, "settings": {**ADAM, "eps": 0.1}}
    return training(**{**given, **changes})


def test_the_rule_keeps_the_contract():
    check_rule(AdamEpsilonDominates)


def test_a_training_that_is_stuck_under_a_large_epsilon_is_a_warning_and_the_rate_is_not_blamed():
    (finding,) = findings(RULE, damped())
    assert finding.severity == "warning"
    assert len(finding.layers) == 4
    assert findings(LearningRateTooLow(), damped()) == []


@pytest.mark.parametrize(("gain", "severity"), [(0.15, "warning"), (0.25, "info")])
def test_where_the_weights_stand_still_a_fifth_of_the_loss_may_be_gained(gain, severity):
    loss = 2.3 * (1 - gain * STEPS / STEPS[-1])
    assert severities(RULE, damped(loss=loss)) == [severity]


@pytest.mark.parametrize(("ratio", "limit"), [(1e-6, "smallest_gain_unmoved"), (None, "smallest_gain")])
def test_the_gain_is_shown_against_the_limit_that_it_was_held_to(ratio, limit):
    (finding,) = findings(RULE, damped(ratio=ratio))
    (gain,) = [each for each in finding.evidence if "has gained" in each.text]
    assert gain.threshold == RULE.limits({})[limit]


def test_one_that_learns_all_the_same_is_a_note():
    assert severities(RULE, damped(loss=FALLING)) == ["info"]


@pytest.mark.parametrize(("share", "found"), [(0.45, False), (0.55, True)])
def test_the_median_layer_must_be_dominated(share, found):
    assert bool(findings(RULE, damped(share))) is found


def test_one_layer_of_rare_words_is_not_enough():
    assert findings(RULE, damped((1.0, 0.0, 0.0, 0.1))) == []


def test_a_gradient_that_goes_under_epsilon_late_is_silent():
    assert findings(RULE, damped(np.where(RECORDS < 400, 0.0, 1.0))) == []


def test_gradients_that_vanish_on_their_way_fall_below_epsilon_too():
    assert findings(RULE, damped(ratio=(1e-9, 1e-6, 1e-6, 1e-6))) == []


def test_it_is_not_asked_of_sgd():
    missing = RULE.measure(damped(settings=SGD))
    assert isinstance(missing, NotEnough)
    assert missing.missing == ()


def test_a_small_share_rules_it_out():
    assert RULE.rule_out(RULE.measure(damped(0.1)), RULE.limits({})) is not None


def test_what_to_try_names_the_epsilon_of_the_run():
    view = damped()
    suggestion = all_interventions()["lower-adam-epsilon"].suggest(view, findings(RULE, view)[0])
    assert suggestion is not None
    assert "1e-08  # it was 0.1" in suggestion.how


def test_weights_that_move_all_the_same_are_not_held_by_epsilon():
    assert findings(RULE, damped(ratio=1e-3)) == []
