"""A matrix with a gradient that hardly moves is found; where the gradient or the whole rate is small, others are."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, RECORDS, STUCK, training
from tests.monitor.rules.views import findings, severities

from trainvitals import check_rule
from trainvitals.rules.updates.updates_too_small import UpdatesTooSmall

RULE = UpdatesTooSmall()


def slow(share=1e-4, **changes):
    return training(**{"ratio": 1e-3 * np.array([share, 1.0, 1.0, 1.0]), "loss": STUCK, **changes})


def test_the_rule_keeps_the_contract():
    check_rule(UpdatesTooSmall)


def test_a_layer_that_hardly_moves_in_a_training_that_is_stuck_is_a_warning():
    (finding,) = findings(RULE, slow())
    assert (finding.severity, finding.layers) == ("warning", ("first.weight",))


def test_in_a_training_that_learns_it_is_a_note():
    view = slow(loss=2.0 - np.arange(1000) / 1000)
    assert severities(RULE, view) == ["info"]


@pytest.mark.parametrize(("share", "found"), [(0.9e-3, True), (1.1e-3, False)])
def test_the_share_is_held_against_a_thousandth(share, found):
    assert bool(findings(RULE, slow(share))) is found


def test_without_a_gradient_it_is_not_the_update_that_is_missing():
    assert findings(RULE, slow(gradient=np.array([1e-4, 1.0, 1.0, 1.0]))) == []


def test_where_most_layers_are_slow_none_is_out_of_step():
    ratio = np.array([1e-9, 1e-9, 1e-9, 1e-3])
    assert findings(RULE, training(ratio=ratio, loss=STUCK)) == []


def test_a_layer_that_never_moves_is_frozen():
    assert findings(RULE, slow(0.0)) == []


def test_the_end_of_a_schedule_and_a_warm_up_do_not_count():
    rate = np.where((RECORDS < 100) | (RECORDS > 400), 1e-6, 1e-3)
    pace = np.where((RECORDS < 100) | (RECORDS > 400), 1e-9, 1e-3)[:, None]
    ratio = np.where(np.array([True, False, False, False]), pace, 1e-3)
    assert findings(RULE, training(ratio=ratio, rate=rate, loss=STUCK)) == []


def test_in_equilibrium_the_ratio_is_held_against_that_of_rate_and_decay():
    strong = {**ADAM, "weight_decay": 2.0}
    ratio = np.array([5e-5, 0.06, 0.06, 0.06])
    (finding,) = findings(RULE, training(ratio=ratio, settings=strong, loss=STUCK))
    assert "sqrt(2 lr wd)" in finding.summary
