"""Weights that stay where they were and a loss that does too are a low rate, unless something else holds them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, SGD, STEPS, STUCK, training
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.model import Severity
from trainvitals.rules.learning_rate.learning_rate_too_high import LearningRateTooHigh
from trainvitals.rules.learning_rate.learning_rate_too_low import LearningRateTooLow
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = LearningRateTooLow()
ALIGNED = {tags.GRADIENT_COSINE: 0.4 + 0.1 * np.random.default_rng(0).standard_normal(len(RECORDS))}
OPPOSED = {tags.GRADIENT_COSINE: -0.4 + 0.1 * np.random.default_rng(0).standard_normal(len(RECORDS))}


def crawling(**changes):
    return training(**{"ratio": 2e-6, "loss": STUCK, **changes})


def test_the_rule_keeps_the_contract():
    check_rule(LearningRateTooLow)


def test_updates_of_a_millionth_and_a_loss_that_does_not_move_are_a_warning():
    (finding,) = findings(RULE, crawling())
    assert (finding.severity, finding.first_step) == (Severity.WARNING, 0)


def test_gradients_that_agree_make_it_surer_and_those_that_oppose_each_other_acquit():
    assert findings(RULE, crawling(**ALIGNED))[0].confidence > findings(RULE, crawling())[0].confidence
    assert findings(RULE, crawling(**OPPOSED)) == []


@pytest.mark.parametrize(("ratio", "found"), [(0.9e-5, True), (1.1e-5, False)])
def test_together_the_updates_reach_no_further_than_a_hundredth(ratio, found):
    assert bool(findings(RULE, crawling(ratio=ratio))) is found


@pytest.mark.parametrize(("gain", "found"), [(0.03, True), (0.1, False)])
def test_a_slow_training_that_gets_somewhere_is_silent(gain, found):
    loss = 2.3 * (1 - gain * STEPS / STEPS[-1])
    assert bool(findings(RULE, crawling(loss=loss))) is found


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": FALLING},
        {"ratio": 0.0},
        {"ratio": (1e-9, 2e-6, 2e-6, 2e-6)},
        {"epsilon_share": 0.9},
        {tags.GRADIENT_NORM: np.where(RECORDS < 100, 1.0, 1e-4)},
        {"rate": 1e-6 * (RECORDS + 1)},
        {
            "settings": SGD,
            tags.CLIPPED: 1.0,
            tags.GRADIENT_NORM: 1e-4,
            tags.GRADIENT_NORM_BEFORE_CLIPPING: 1.0,
        },
    ],
    ids=["falls", "not moved at all", "vanishing", "epsilon", "gradient gone", "warming up", "clipped"],
)
def test_what_has_another_reason_is_left_to_it(changes):
    assert findings(RULE, crawling(**changes)) == []


def test_adam_makes_up_for_clipping_so_that_the_rate_is_still_to_blame():
    clipped = {tags.CLIPPED: 1.0, tags.GRADIENT_NORM: 1e-4, tags.GRADIENT_NORM_BEFORE_CLIPPING: 1.0}
    assert findings(RULE, crawling(settings=ADAM, **clipped))


def test_only_the_records_at_an_open_rate_count():
    rate = np.where(RECORDS < 300, 1e-3, 1e-6)
    assert findings(RULE, training(ratio=np.where(RECORDS < 300, 1e-3, 1e-6), rate=rate, loss=STUCK)) == []


@pytest.mark.parametrize("ratio", [2e-6, 0.5])
def test_too_low_and_too_high_never_stand_side_by_side(ratio):
    view = training(ratio=ratio, growth=np.where(RECORDS < 10, 1.0, 5.0), loss=STUCK)
    assert len([*findings(RULE, view), *findings(LearningRateTooHigh(), view)]) == 1


def test_usual_updates_rule_it_out():
    for ratio, ruled_out in ((1e-3, True), (2e-6, False), (1e-4, False)):
        assert (RULE.rule_out(RULE.measure(training(ratio=ratio)), RULE.limits({})) is not None) is ruled_out


def test_without_updates_it_says_how_to_record_them():
    missing = RULE.measure(make_view({"loss": (STEPS, STUCK)}, Signals(train_loss=("loss",))))
    assert isinstance(missing, NotEnough)
    assert missing.missing
