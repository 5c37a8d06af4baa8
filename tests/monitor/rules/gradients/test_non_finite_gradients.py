"""Gradients that break under a finite loss are found; what a scaler skips and what breaks the loss too is not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.gradients.non_finite_gradients import NonFiniteGradients
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = NonFiniteGradients()
STEPS = np.arange(2000)
RECORDED = STEPS[::10]
FALLING = 1.0 + np.exp(-STEPS / 300.0)


def view_of(broken, loss=FALLING, skipped=None):
    columns = {tags.NON_FINITE_GRADIENTS: (RECORDED, broken), "loss": (STEPS, loss)}
    if skipped is not None:
        columns[tags.SKIPPED_STEPS] = (RECORDED, skipped)
    return make_view(columns, Signals(train_loss=("loss",)))


def at(*records):
    return np.isin(np.arange(len(RECORDED)), records).astype(float)


def foreign(norm):
    return make_view(
        {"norm": (RECORDED, norm), "loss": (STEPS, FALLING)}, Signals(train_loss=("loss",), grad_norm=("norm",))
    )


def test_the_rule_keeps_the_contract():
    check_rule(NonFiniteGradients)


def test_gradients_that_stay_broken_are_an_error_from_the_first_on():
    (finding,) = findings(RULE, view_of(4.0 * (RECORDED >= 1200)))
    assert (finding.severity, finding.first_step, finding.last_step) == ("error", 1200, 1990)


@pytest.mark.parametrize(("records", "severity"), [((50,), "info"), ((50, 90), "info"), ((50, 90, 150), "warning")])
def test_single_ones_are_a_warning_from_three_and_a_hundredth_on(records, severity):
    assert severities(RULE, view_of(at(*records))) == [severity]


def test_updates_that_a_scaler_skipped_are_normal():
    records = (0, 1, 2, 3, 60, 120, 180)
    assert findings(RULE, view_of(at(*records), skipped=np.cumsum(at(*records)))) == []
    assert findings(RULE, view_of(at(*records), skipped=np.zeros(200))) != []


def test_a_loss_that_breaks_with_them_is_a_finding_of_its_own():
    broken = 1.0 * (RECORDED >= 1200)
    assert findings(RULE, view_of(broken, np.where(STEPS >= 1201, np.nan, FALLING))) == []


def test_a_norm_of_another_logger_will_do():
    norm = np.where(at(60, 100, 140, 180) > 0, np.inf, 1.0)
    assert severities(RULE, foreign(norm)) == ["warning"]


def test_the_first_records_of_a_log_that_says_nothing_of_its_scaler_do_not_count():
    assert findings(RULE, foreign(np.where(np.arange(200) < 12, np.inf, 1.0))) == []


def test_the_origin_is_quoted():
    view = view_of(at(50, 60, 70))
    told = json.dumps({"kind": "backward", "module": "head", "step": 500, "text": "a root of zero in head"})
    (finding,) = findings(RULE, RunView(replace(view.run, texts={tags.NON_FINITE_ORIGIN: told}), view.signals))
    assert finding.layers == ("head",)
    assert "a root of zero in head" in [each.text for each in finding.evidence]


def test_finite_gradients_rule_it_out():
    assert RULE.rule_out(RULE.measure(view_of(np.zeros(200))), RULE.limits({})) is not None


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"loss": (STEPS, FALLING)}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("grad_norm",)
