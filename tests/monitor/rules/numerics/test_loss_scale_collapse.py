"""A scale that collapses and updates that keep overflowing are found; the search for the scale is normal."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.numerics.loss_scale_collapse import LossScaleCollapse
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = LossScaleCollapse()
STEPS = 10 * np.arange(1, 1001)
USUAL = np.where(STEPS // 2000 % 2 == 0, 65536.0, 131072.0)


def view_of(scale, skipped=None):
    columns = {tags.LOSS_SCALE: (STEPS, scale)}
    if skipped is not None:
        columns[tags.SKIPPED_STEPS] = (STEPS, skipped)
    return make_view(columns, Signals())


def test_the_rule_keeps_the_contract():
    check_rule(LossScaleCollapse)


def test_a_scale_that_falls_below_one_for_good_is_a_warning_from_there_on():
    falling = 65536.0 * 0.5 ** np.maximum(0, (STEPS - 6000) // 100)
    (finding,) = findings(RULE, view_of(falling))
    assert finding.severity == "warning"
    assert finding.first_step == STEPS[falling < 1][0]


def test_a_healthy_scaler_skips_one_update_in_two_thousand():
    assert findings(RULE, view_of(USUAL, STEPS // 2000)) == []


def test_the_search_for_the_scale_at_the_start_is_normal():
    assert findings(RULE, view_of(np.full(1000, 64.0), np.minimum(STEPS // 10, 20))) == []


@pytest.mark.parametrize(("share", "found"), [(0.008, False), (0.012, True)])
def test_the_skipped_updates_are_held_against_a_hundredth(share, found):
    assert bool(findings(RULE, view_of(USUAL, np.floor(share * STEPS)))) is found


def test_without_the_count_the_halvings_are_counted():
    jagged = np.where(np.arange(1000) % 5 == 0, 512.0, 1024.0)
    assert findings(RULE, view_of(jagged)) != []


def test_a_scale_that_was_never_large_was_chosen_so():
    assert findings(RULE, view_of(np.full(1000, 0.5))) == []


def test_few_skipped_updates_rule_it_out():
    number = RULE.rule_out(RULE.measure(view_of(USUAL, STEPS // 2000)), RULE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(1 / 2000, rel=0.3)


def test_updates_that_are_skipped_often_in_a_short_run_are_neither_found_nor_ruled_out():
    steps = np.arange(100)
    columns = {tags.LOSS_SCALE: (steps, np.full(100, 64.0)), tags.SKIPPED_STEPS: (steps, np.maximum(0, steps - 97))}
    view = make_view(columns, Signals())
    assert findings(RULE, view) == []
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is None


def test_a_training_without_a_scale_lacks_nothing():
    assert RULE.measure(make_view({}, Signals())) == NotEnough()
