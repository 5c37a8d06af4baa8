"""wrong-loss-input: a second softmax is found by the bounds of its loss; probabilities on purpose are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.loss.wrong_loss_input import WrongLossInput
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = WrongLossInput()
SIGNALS = Signals(train_loss=(tags.TRAIN_LOSS,))
STEPS = 600
RECORDS = np.arange(0, STEPS, 10)


def trained(classes=4, *, twice=True, certain=0.98, right=0.9, seed=0):
    """A classifier that grows ``certain`` of its answers, ``right`` of which are so in the end.

    Its loss takes its probabilities for logits (``twice``), or is their negative log-likelihood.
    """
    generator = np.random.default_rng(seed)
    top = np.linspace(1 / classes, certain, STEPS)
    rest = (1 - top) / (classes - 1)
    log_z = np.log(np.exp(top) + (classes - 1) * np.exp(rest))
    hits = generator.binomial(32, np.linspace(1 / classes, right, STEPS)) / 32
    if twice:
        return log_z, log_z - hits * top - (1 - hits) * rest
    return log_z, -hits * np.log(top) - (1 - hits) * np.log(rest)


def view_of(log_z, loss, row_sum=1.0):
    columns = {
        tags.OUTPUT_ROW_SUM: (RECORDS, np.full(len(RECORDS), row_sum)),
        tags.OUTPUT_LOG_Z: (RECORDS, np.float32(log_z[RECORDS])),
        tags.TRAIN_LOSS: (np.arange(STEPS), np.float32(loss)),
    }
    return make_view(columns, SIGNALS)


def test_the_rule_keeps_the_contract():
    check_rule(WrongLossInput)


def test_what_is_not_judged_is_not_ruled_out():
    too_many = view_of(*trained(6000))
    no_probabilities = view_of(*(values + 1.0 for values in trained(10)))
    for view in (too_many, no_probabilities):
        assert findings(RULE, view) == []
        assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is None


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_a_softmax_before_cross_entropy_is_found_and_its_floor_named(classes):
    (finding,) = findings(RULE, view_of(*trained(classes)))
    assert finding.severity == "warning"
    assert finding.first_step == 0
    assert f"{np.log(np.e + classes - 1) - 1:.3g}" in finding.summary
    assert f"{classes} classes" in finding.evidence[1].text


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("right", [0.97, 0.8])
def test_probabilities_whose_loss_takes_them_as_such_are_no_warning(classes, right):
    sure = min(right, 0.98)
    assert "warning" not in severities(RULE, view_of(*trained(classes, twice=False, certain=sure, right=right)))


def test_that_such_a_loss_falls_below_the_floor_clears_it_and_says_so():
    view = view_of(*trained(10, twice=False, right=0.98))
    assert findings(RULE, view) == []
    assert "as such" in RULE.rule_out(RULE.measure(view), RULE.limits({})).text


def test_outputs_that_are_not_sharp_yet_are_an_information():
    (finding,) = findings(RULE, view_of(*trained(10, certain=0.3, right=0.3)))
    assert finding.severity == "info"


def test_logits_are_cleared_with_their_sum():
    view = view_of(*trained(), row_sum=-0.7)
    assert findings(RULE, view) == []
    assert "-0.7" in RULE.rule_out(RULE.measure(view), RULE.limits({})).text


@pytest.mark.parametrize(("row_sum", "found"), [(1.0009, 1), (1.0011, 0)])
def test_the_sum_may_differ_from_one_by_rounding_only(row_sum, found):
    assert len(findings(RULE, view_of(*trained(), row_sum=row_sum))) == found


def test_a_single_loss_beyond_the_bounds_clears_it():
    log_z, loss = trained()
    assert findings(RULE, view_of(log_z, np.where(np.arange(STEPS) == 300, 0.5, loss))) == []


def test_outputs_whose_log_z_no_probabilities_have_are_not_judged():
    log_z, loss = trained()
    assert findings(RULE, view_of(log_z + np.linspace(0, 1, STEPS), loss)) == []


def test_without_the_outputs_it_says_how_to_log_them():
    measured = RULE.measure(make_view({tags.TRAIN_LOSS: (range(100), [1.0] * 100)}, SIGNALS))
    assert isinstance(measured, NotEnough)
    assert "full" in measured.how
