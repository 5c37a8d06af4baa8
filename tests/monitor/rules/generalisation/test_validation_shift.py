"""validation-shift: apart before anything can be known by heart. Overfitting and another scale are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule
from trainvitals.rules.generalisation.validation_shift import ValidationShift
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = ValidationShift()
STEPS = np.arange(0, 2000, 5)
VAL_STEPS = np.arange(49, 2000, 50)
UNTRAINED = 2.0


def falling(step, floor=0.1, pace=400.0):
    return floor + (UNTRAINED - floor) * np.exp(-np.asarray(step) / pace)


def noisy(value, share=0.03, seed=0):
    return value * np.exp(share * np.random.default_rng(seed).standard_normal(len(value)))


def view_of(val, train=None, epoch_steps=10_000, until=2000):
    train = falling(STEPS) if train is None else train
    columns = {"train": (STEPS, noisy(train, 0.1, 1)), "val": (VAL_STEPS, noisy(val))}
    if epoch_steps:
        columns["epoch"] = (STEPS, STEPS / epoch_steps)
    columns = {tag: (step[step < until], np.asarray(value)[step < until]) for tag, (step, value) in columns.items()}
    epoch = ("epoch",) if epoch_steps else ()
    return make_view(columns, Signals(train_loss=("train",), val_loss={"": "val"}, epoch=epoch))


ELSEWHERE = 4.0 + 0.5 * np.sin(VAL_STEPS / 300)


def test_the_rule_keeps_the_contract():
    check_rule(ValidationShift)


def test_validation_far_above_training_in_the_first_pass_is_a_warning_from_the_first_validation_on():
    (finding,) = findings(RULE, view_of(ELSEWHERE))
    assert finding.severity == "warning"
    assert finding.first_step == VAL_STEPS[0]
    assert finding.confidence >= 0.9


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_it_is_found_in_a_beginning_too(share):
    assert severities(RULE, view_of(ELSEWHERE, until=share * 2000)) == ["warning"]


def test_a_later_overfit_does_not_hide_it():
    assert severities(RULE, view_of(ELSEWHERE + VAL_STEPS / 500, epoch_steps=300)) == ["warning"]


def test_it_may_begin_where_the_training_loss_begins_to_fall():
    late = np.where(STEPS < 500, UNTRAINED, falling(STEPS - 500))
    (finding,) = findings(RULE, view_of(np.full(len(VAL_STEPS), UNTRAINED), late))
    assert finding.severity == "warning"
    assert 500 < finding.first_step < 1000
    gained = np.where(VAL_STEPS < 300, UNTRAINED, 0.7 * UNTRAINED)
    assert findings(RULE, view_of(gained, late)) == []


def test_validation_that_agrees_is_silent():
    assert findings(RULE, view_of(falling(VAL_STEPS))) == []


@pytest.mark.parametrize(("ratio", "found"), [(1.35, []), (1.8, ["warning"])])
def test_the_ratio_is_held_against_its_limit(ratio, found):
    train = falling(STEPS, floor=1.2)
    assert severities(RULE, view_of(np.full(len(VAL_STEPS), ratio * 1.2), train)) == found


def test_another_scale_follows_and_is_silent():
    assert findings(RULE, view_of(32 * falling(VAL_STEPS))) == []


def test_overfitting_begins_together_and_is_silent():
    assert findings(RULE, view_of(falling(VAL_STEPS, 0.5) + VAL_STEPS / 500, epoch_steps=300)) == []


def test_batch_norm_that_needs_its_time_is_silent():
    val = falling(VAL_STEPS) * np.where(VAL_STEPS < 400, 4.0, 1.0)
    assert findings(RULE, view_of(val)) == []
    assert findings(RULE, view_of(np.maximum(val, 0.6), epoch_steps=60)) == []


def test_without_passes_it_is_an_information_and_only_where_validation_is_worse_than_untrained():
    assert severities(RULE, view_of(ELSEWHERE, epoch_steps=None)) == ["info"]
    assert findings(RULE, view_of(np.full(len(VAL_STEPS), 0.95 * UNTRAINED), epoch_steps=None)) == []


def test_too_few_validations_in_the_first_pass_say_nothing():
    assert findings(RULE, view_of(ELSEWHERE, epoch_steps=120)) == []


def test_a_training_that_has_led_nowhere_says_nothing():
    assert findings(RULE, view_of(ELSEWHERE, np.full(len(STEPS), UNTRAINED))) == []


def test_what_is_missing_is_said():
    no_val = make_view({"train": (STEPS, falling(STEPS))}, Signals(train_loss=("train",)))
    assert RULE.measure(no_val).missing == ("val_loss",)
    assert isinstance(RULE.measure(view_of(ELSEWHERE, until=200)), NotEnough)
    unsupervised = Signals(train_loss=("train",), supervised=False)
    assert RULE.measure(make_view({"train": (STEPS, falling(STEPS))}, unsupervised)) == NotEnough()
