"""overtraining: validation has long stopped while training goes on. A rise, a short rest and a slow gain are not it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule
from trainvitals.model import Run, Series
from trainvitals.rules.generalisation.overtraining import Overtraining
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = Overtraining()
STEPS = np.arange(0, 4000, 10)
VAL_STEPS = np.arange(24, 4000, 25)
SIGNALS = Signals(train_loss=("train",), val_loss={"": "val"})


def noisy(value, seed, share=0.003):
    return value * np.exp(share * np.random.default_rng(seed).standard_normal(len(value)))


def view_of(val, train=None, until=4000, **more):
    train = 2.0 * (1.0 + STEPS / 100.0) ** -0.6 if train is None else train
    columns = {"train": (STEPS, noisy(train, 1, 0.02)), "val": (VAL_STEPS, noisy(val, 2)), **more}
    columns = {tag: (step[step < until], np.asarray(value)[step < until]) for tag, (step, value) in columns.items()}
    return make_view(columns, SIGNALS)


RESTING = 1.0 + np.exp(-VAL_STEPS / 150.0)


def test_the_rule_keeps_the_contract():
    check_rule(Overtraining)


def test_validation_at_rest_while_training_falls_is_an_information():
    (finding,) = findings(RULE, view_of(RESTING))
    assert finding.severity == "info"
    assert finding.first_step < 2000
    assert {"train", "val"} <= finding.signals


def test_both_at_rest_are_silent():
    assert findings(RULE, view_of(RESTING, 0.5 + np.exp(-STEPS / 150.0))) == []


def test_validation_that_still_gains_is_silent():
    assert findings(RULE, view_of(2.0 * (1.0 + VAL_STEPS / 100.0) ** -0.3)) == []


def test_validation_that_rises_is_overfitting_and_silent_here():
    assert findings(RULE, view_of(RESTING + VAL_STEPS / 4000.0)) == []


def test_the_share_of_the_run_is_held_against_its_limit():
    view = view_of(RESTING)
    assert severities(RULE, view, smallest_share=0.3) == ["info"]
    assert findings(RULE, view, smallest_share=0.99) == []


@pytest.mark.parametrize(("power", "found"), [(0.6, ["info"]), (0.03, [])])
def test_a_training_loss_that_hardly_falls_is_silent(power, found):
    assert severities(RULE, view_of(RESTING, 2.0 * (1.0 + STEPS / 100.0) ** -power)) == found


def test_validation_by_epoch_and_training_by_iteration_are_aligned_by_their_clocks():
    train = 2.0 * (1.0 + STEPS / 100.0) ** -0.6
    columns = {"train": (STEPS, noisy(train, 1, 0.02)), "val": (np.arange(len(VAL_STEPS)), noisy(RESTING, 2))}
    clock = {"train": 1.7e9 + STEPS, "val": 1.7e9 + VAL_STEPS}
    view = make_view(columns, SIGNALS, wall_time=clock)
    measured = RULE.measure(view)
    assert measured.share == pytest.approx(1 - measured.since_step / len(VAL_STEPS), abs=0.01)
    assert severities(RULE, view) == ["info"]


def test_tokens_for_each_parameter_are_told_and_are_no_finding_by_themselves():
    signals = Signals(train_loss=("train",), val_loss={"": "val"}, tokens=("tokens",))

    def with_tokens(val):
        run = view_of(val).run
        tokens = Series("tokens", STEPS, np.full(len(STEPS), np.nan), STEPS * 1e3)
        settings = {"parameters": 1000.0}
        return RunView(Run("r", "", "r", "test", {**run.series, "tokens": tokens}, hyper_parameters=settings), signals)

    (finding,) = findings(RULE, with_tokens(RESTING))
    assert any("tokens" in item.text and item.value == pytest.approx(199.5) for item in finding.evidence)
    assert findings(RULE, with_tokens(2.0 * (1.0 + VAL_STEPS / 100.0) ** -0.3)) == []


def test_what_is_missing_is_said():
    assert RULE.measure(make_view({"val": (VAL_STEPS, RESTING)}, Signals(val_loss={"": "val"}))).missing == (
        "train_loss",
    )
