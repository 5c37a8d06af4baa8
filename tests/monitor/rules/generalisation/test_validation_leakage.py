"""validation-leakage: a sudden drop below training that training does not share. Dropout and schedules are no leak."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.generalisation.validation_leakage import ValidationLeakage
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = ValidationLeakage()
STEPS = np.arange(0, 2000, 5)
VAL_STEPS = np.arange(49, 2000, 50)
LATE = VAL_STEPS > 1000


def falling(step, floor=0.5):
    return floor + 1.5 * np.exp(-np.asarray(step) / 400.0)


def noisy(value, share, seed=0):
    return value * np.exp(share * np.random.default_rng(seed).standard_normal(len(value)))


def view_of(val, train=None, rate=None, modules=None, noise=0.03, until=2000):
    train = falling(STEPS) if train is None else train
    columns = {"train": (STEPS, noisy(train, 0.1, 1)), "val": (VAL_STEPS, noisy(val, noise))}
    signals = Signals(train_loss=("train",), val_loss={"": "val"}, learning_rate=() if rate is None else ("rate",))
    if rate is not None:
        columns["rate"] = (STEPS, rate)
    if modules is not None:
        columns[tags.MODEL_IN_EVAL_MODE] = (STEPS, np.zeros(len(STEPS)))
        if modules:
            columns[tags.EVAL_MODE] = (STEPS, np.zeros(len(STEPS)))
    columns = {tag: (step[step < until], np.asarray(value)[step < until]) for tag, (step, value) in columns.items()}
    return make_view(columns, signals)


LEAKED = falling(VAL_STEPS) * np.where(LATE, 0.4, 1.05)


def test_the_rule_keeps_the_contract():
    check_rule(ValidationLeakage)


def test_a_sudden_drop_below_training_is_a_warning_at_its_step():
    (finding,) = findings(RULE, view_of(LEAKED))
    assert finding.severity == "warning"
    assert finding.first_step <= 1049 <= finding.begins_by + 50
    assert {"train", "val"} <= finding.signals


def test_before_it_nothing_is_said():
    assert findings(RULE, view_of(LEAKED, until=1000)) == []


@pytest.mark.parametrize(("left", "found"), [(0.7, []), (0.55, ["warning"])])
def test_the_drop_is_held_against_its_limit(left, found):
    assert severities(RULE, view_of(falling(VAL_STEPS) * np.where(LATE, left, 1.0))) == found


def test_a_drop_that_training_shares_is_silent():
    train = falling(STEPS) * np.where(STEPS > 1000, 0.5, 1.0)
    assert findings(RULE, view_of(LEAKED, train)) == []


def test_a_drop_with_a_step_of_the_rate_is_silent():
    assert findings(RULE, view_of(LEAKED, rate=np.where(STEPS > 1000, 0.01, 0.1))) == []


def test_a_drop_that_heals_is_silent():
    passing = falling(VAL_STEPS) * np.where((VAL_STEPS > 1000) & (VAL_STEPS < 1300), 0.4, 1.0)
    assert findings(RULE, view_of(passing)) == []


def test_a_validation_loss_that_was_too_high_and_comes_down_to_training_is_silent():
    assert findings(RULE, view_of(falling(VAL_STEPS) * np.where(LATE, 1.0, 3.0))) == []


def test_a_gap_that_opens_by_and_by_as_with_dropout_is_silent():
    assert findings(RULE, view_of(falling(VAL_STEPS) * np.linspace(1.0, 0.3, len(VAL_STEPS)))) == []


def test_a_drop_of_what_was_far_below_already_is_silent():
    assert findings(RULE, view_of(falling(VAL_STEPS) * np.where(LATE, 0.2, 0.5))) == []


@pytest.mark.parametrize("seed", range(5))
def test_noise_makes_no_drop(seed):
    val = noisy(falling(VAL_STEPS), 0.3, seed)
    assert findings(RULE, view_of(val, noise=0.3)) == []


def test_a_level_below_training_is_an_information_only_where_nothing_regularises():
    below = 0.7 * falling(VAL_STEPS)
    assert severities(RULE, view_of(below, modules=False)) == ["info"]
    assert findings(RULE, view_of(below, modules=True)) == []
    assert findings(RULE, view_of(below)) == []
    assert findings(RULE, view_of(0.9 * falling(VAL_STEPS), modules=False)) == []


def test_single_batches_with_a_huge_loss_make_no_level():
    train = falling(STEPS) * np.where(np.arange(len(STEPS)) % 20 == 7, 20.0, 1.0)
    assert findings(RULE, view_of(falling(VAL_STEPS), train, modules=False)) == []


def test_what_is_missing_is_said():
    assert RULE.measure(make_view({"train": (STEPS, falling(STEPS))}, Signals(train_loss=("train",)))).missing
    assert isinstance(RULE.measure(view_of(LEAKED, until=300)), NotEnough)
