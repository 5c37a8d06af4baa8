"""A whole model in evaluation mode is found; frozen batch norm and models without modes are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.training_in_eval_mode import TrainingInEvalMode
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = TrainingInEvalMode()
RECORDS = 50
STEPS = 10 * np.arange(RECORDS)


def view_of(model, modules=None):
    columns = {tags.MODEL_IN_EVAL_MODE: (STEPS, np.broadcast_to(model, RECORDS))}
    if modules is not None:
        columns[tags.EVAL_MODE] = (STEPS, np.broadcast_to(modules, RECORDS))
    return make_view(columns, Signals())


def test_the_rule_keeps_the_contract():
    check_rule(TrainingInEvalMode)


def test_evaluation_mode_from_the_start_is_a_warning():
    (finding,) = findings(RULE, view_of(1.0, 1.0))
    assert (finding.severity, finding.first_step) == ("warning", 0)


def test_evaluation_mode_since_a_validation_is_dated():
    late = np.where(STEPS >= 200, 1.0, 0.0)
    (finding,) = findings(RULE, view_of(late, late))
    assert finding.first_step == 200
    assert "since step 200" in finding.summary


def test_frozen_batch_norm_is_no_finding():
    assert findings(RULE, view_of(0.0, 1.0)) == []


def test_a_model_whose_modules_are_in_training_mode_again_is_no_finding():
    assert findings(RULE, view_of(1.0, 0.0)) == []


@pytest.mark.parametrize(("share", "found"), [(0.49, False), (0.5, True)])
def test_half_of_the_modules_count(share, found):
    assert bool(findings(RULE, view_of(1.0, share))) is found


def test_a_model_without_modes_does_not_apply():
    assert RULE.measure(view_of(1.0)) == NotEnough()


def test_single_steps_in_evaluation_mode_are_no_finding():
    now_and_then = np.where(np.arange(RECORDS) % 5 == 0, 1.0, 0.0)
    assert findings(RULE, view_of(now_and_then, now_and_then)) == []


def test_training_mode_rules_it_out():
    measured = RULE.measure(view_of(0.0, 0.0))
    assert not isinstance(measured, NotEnough)
    assert RULE.rule_out(measured, RULE.limits({})) is not None
    measured = RULE.measure(view_of(np.where(STEPS == 100, 1.0, 0.0), 1.0))
    assert not isinstance(measured, NotEnough)
    assert RULE.rule_out(measured, RULE.limits({})) is None


@pytest.mark.parametrize(("what", "layers"), [("eval_mode", ("norm1", "drop")), ("unowned", ())])
def test_the_modules_are_named_where_the_last_marker_is_about_them(what, layers):
    view = view_of(1.0, 1.0)
    text = f'{{"what": "{what}", "count": 2, "names": ["norm1", "drop"]}}'
    view = RunView(replace(view.run, texts={tags.event("wiring"): text}), view.signals)
    (finding,) = findings(RULE, view)
    assert finding.layers == layers


def test_without_the_hooks_it_says_what_would_record_it():
    measured = RULE.measure(make_view({"loss": (STEPS, np.ones(RECORDS))}, Signals(train_loss=("loss",))))
    assert measured == NotEnough((tags.MODEL_IN_EVAL_MODE,), "vitals = trainvitals.watch(model, optimizer)")
