"""Layers whose units began alike and stay so are found; chance, zero-initialised heads and broken symmetry are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view

from trainvitals import check_rule
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.symmetric_initialisation import SymmetricInitialisation
from trainvitals.signals import Signals

RULE = SymmetricInitialisation()
RECORDS = 30
STEPS = 10 * np.arange(RECORDS)


def view_of(similarity, records=RECORDS):
    table = np.broadcast_to(np.asarray(similarity, dtype=float), (records, np.shape(similarity)[-1]))
    tags = layer_tags("unit_similarity", table.shape[1])
    columns = {tag: (STEPS[:records], table[:, index]) for index, tag in enumerate(tags.tags)}
    return make_view(columns, Signals(per_layer={"unit_similarity": tags}))


def test_the_rule_keeps_the_contract():
    check_rule(SymmetricInitialisation)


def test_layers_that_stay_symmetric_are_a_warning_from_the_start():
    (finding,) = findings(RULE, view_of([1.0, 1.0000001, 1.0]))
    assert (finding.severity, finding.first_step, finding.last_step) == ("warning", 0, 290)
    assert finding.layers == ("layer0", "layer1", "layer2")


def test_the_layers_that_differ_are_not_named():
    (finding,) = findings(RULE, view_of([0.1, 1.0, 1.0, 0.1]))
    assert finding.layers == ("layer1", "layer2")


def test_different_units_are_no_finding_and_rule_it_out():
    measured = RULE.measure(view_of([0.65, 0.1, 0.42]))
    assert not isinstance(measured, NotEnough)
    assert RULE.judge(measured, RULE.limits({})) == []
    number = RULE.rule_out(measured, RULE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(0.65)


@pytest.mark.parametrize(("similarity", "found"), [(0.9985, False), (0.9995, True)])
def test_nearly_alike_is_not_alike(similarity, found):
    assert bool(findings(RULE, view_of([similarity, similarity, 0.1]))) is found


def test_one_layer_alone_is_an_information():
    (finding,) = findings(RULE, view_of([0.1, 1.0, 0.1]))
    assert finding.severity == "info"


def test_two_opposite_rows_of_an_output_layer_are_no_finding():
    measured = RULE.measure(view_of([0.1, 0.1, 1.0]))
    assert not isinstance(measured, NotEnough)
    assert RULE.judge(measured, RULE.limits({})) == []
    assert RULE.rule_out(measured, RULE.limits({})) is None


def test_symmetry_that_breaks_is_no_finding():
    fades = np.linspace(1.0, 0.3, RECORDS)[:, None] * np.ones(3)
    assert findings(RULE, view_of(fades)) == []


def test_units_that_become_alike_later_did_not_begin_so():
    collapses = np.linspace(0.2, 1.0, RECORDS)[:, None] * np.ones(3)
    assert findings(RULE, view_of(collapses)) == []


@pytest.mark.parametrize(("records", "found"), [(2, False), (3, True)])
def test_three_records_of_a_layer_are_enough(records, found):
    assert bool(findings(RULE, view_of([1.0, 1.0, 1.0], records))) is found


def test_layers_that_take_turns_are_each_judged_by_their_own_records():
    value = np.full((RECORDS, 4), np.nan)
    for row in range(RECORDS):
        value[row, row % 4] = 1.0
    (finding,) = findings(RULE, view_of(value))
    assert len(finding.layers) == 4


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"loss": (STEPS, np.ones(RECORDS))}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert "full" in measured.how
