"""Weights that shrink away under a decay that forgets them at once are found; strong decay that trains is not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, SGD, STUCK, training
from tests.monitor.rules.views import findings, severities

from trainvitals import check_rule
from trainvitals.interventions.registry import all_interventions
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.weight_decay_dominates import WeightDecayDominates

RULE = WeightDecayDominates()
SHRINKING = np.maximum(np.exp(-RECORDS / 20), 0.05)
STRONG = {**ADAM, "weight_decay": 50.0}


def decayed(**changes):
    return training(**{"growth": SHRINKING, "loss": STUCK, "settings": STRONG, "ratio": 0.05, **changes})


def test_the_rule_keeps_the_contract():
    check_rule(WeightDecayDominates)


def test_weights_that_shrink_away_in_a_training_that_is_stuck_are_a_warning():
    (finding,) = findings(RULE, decayed())
    assert finding.severity == "warning"
    assert len(finding.layers) == 4


def test_a_training_that_learns_under_strong_decay_is_silent():
    assert findings(RULE, decayed(loss=FALLING)) == []


@pytest.mark.parametrize(("decay", "found"), [(11.0, True), (9.0, False)])
def test_the_memory_is_held_against_a_tenth_of_the_run(decay, found):
    assert bool(findings(RULE, decayed(settings={**ADAM, "weight_decay": decay}))) is found


@pytest.mark.parametrize(("size", "found"), [(0.25, True), (0.35, False)])
def test_the_weights_must_have_lost_most_of_their_norm(size, found):
    assert bool(findings(RULE, decayed(growth=np.where(RECORDS < 10, 1.0, size)))) is found


def test_momentum_shortens_the_memory_of_sgd():
    slow = {**SGD, "weight_decay": 0.05}
    assert severities(RULE, decayed(settings=slow, rate=0.1)) == ["warning"]
    assert findings(RULE, decayed(settings={**slow, "momentum": 0.0}, rate=0.1)) == []


def test_adam_with_the_decay_in_the_gradient_is_not_judged():
    coupled = {"optimizer": "Adam", "lr": 1e-3, "weight_decay": 50.0}
    assert isinstance(RULE.measure(decayed(settings=coupled)), NotEnough)


def test_weights_that_keep_their_norm_rule_it_out():
    assert RULE.rule_out(RULE.measure(training()), RULE.limits({})) is not None


def test_the_decay_to_try_remembers_a_good_part_of_the_run():
    view = decayed()
    suggestion = all_interventions()["lower-weight-decay"].suggest(view, findings(RULE, view)[0])
    assert suggestion is not None
    assert "= 0.5  # it was 50" in suggestion.how
