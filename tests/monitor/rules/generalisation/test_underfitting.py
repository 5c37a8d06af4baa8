"""underfitting: both losses stand still together after many passes. One pass, a gap and progress are something else."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule
from trainvitals.rules.generalisation.underfitting import Underfitting
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = Underfitting()
STEPS = np.arange(0, 4000, 10)
VAL_STEPS = np.arange(49, 4000, 50)


def falling(step, floor, pace=300.0):
    return floor + (2.0 - floor) * np.exp(-np.asarray(step) / pace)


def noisy(value, seed, share=0.02):
    return value * np.exp(share * np.random.default_rng(seed).standard_normal(len(value)))


def view_of(train_floor=1.2, val_floor=1.2, passes=20, pace=300.0, until=4000):
    columns = {
        "train": (STEPS, noisy(falling(STEPS, train_floor, pace), 1)),
        "val": (VAL_STEPS, noisy(falling(VAL_STEPS, val_floor, pace), 2)),
    }
    if passes:
        columns["epoch"] = (STEPS, passes * STEPS / STEPS[-1])
    columns = {tag: (step[step < until], np.asarray(value)[step < until]) for tag, (step, value) in columns.items()}
    epoch = ("epoch",) if passes else ()
    return make_view(columns, Signals(train_loss=("train",), val_loss={"": "val"}, epoch=epoch))


def test_the_rule_keeps_the_contract():
    check_rule(Underfitting)


def test_both_losses_at_rest_far_from_zero_after_many_passes_are_an_information():
    (finding,) = findings(RULE, view_of())
    assert finding.severity == "info"
    assert {"train", "val", "epoch"} <= finding.signals
    assert "twice the width would tell" in finding.summary


def test_many_more_passes_make_it_surer():
    assert findings(RULE, view_of(passes=40))[0].confidence > findings(RULE, view_of(passes=10))[0].confidence


@pytest.mark.parametrize(("passes", "found"), [(6, []), (10, ["info"])])
def test_few_passes_say_nothing(passes, found):
    assert severities(RULE, view_of(passes=passes)) == found


def test_a_beginning_with_few_passes_says_nothing():
    assert findings(RULE, view_of(until=1000)) == []


@pytest.mark.parametrize(("floor", "found"), [(0.4, []), (0.8, ["info"])])
def test_what_has_learnt_most_of_it_is_silent(floor, found):
    assert severities(RULE, view_of(floor, floor)) == found


@pytest.mark.parametrize(("val_floor", "found"), [(1.4, []), (1.22, ["info"]), (1.0, ["info"])])
def test_a_gap_is_no_underfitting(val_floor, found):
    assert severities(RULE, view_of(val_floor=val_floor)) == found


def test_a_training_that_still_gets_on_is_silent():
    assert findings(RULE, view_of(0.2, 0.2, pace=5000.0)) == []


def test_a_log_with_a_row_for_each_epoch_knows_its_passes():
    rows = np.arange(1, 41)
    columns = {
        "train": (rows, noisy(falling(rows, 1.2, 4.0), 1, 0.005)),
        "val": (rows, noisy(falling(rows, 1.2, 4.0), 2, 0.005)),
    }
    assert severities(RULE, make_view(columns, Signals(train_loss=("train",), val_loss={"": "val"}))) == ["info"]


def test_without_passes_it_abstains_and_says_what_to_log():
    missing = RULE.measure(view_of(passes=None))
    assert isinstance(missing, NotEnough)
    assert missing.missing == ("epoch",)
    assert RULE.measure(make_view({"train": (STEPS, falling(STEPS, 1.0))}, Signals(train_loss=("train",)))).missing
