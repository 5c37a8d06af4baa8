"""Outputs that become the same or lose their directions are found; neural collapse and noise in the rank are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.rules.activations.representation_collapse import RepresentationCollapse
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals

RULE = RepresentationCollapse()
STEPS = 10 * np.arange(100)
AFTER = STEPS > 405
RNG = np.random.default_rng(0)
NOISE = np.exp(0.1 * RNG.standard_normal(100))
FALLING = (1.0 + 2.0 * np.exp(-STEPS / 200)) * np.exp(0.02 * RNG.standard_normal(100))
WORSE = np.where(AFTER, 1.8, FALLING)
RANK = 8.0 * NOISE


def loses(to):
    return np.where(AFTER, to, RANK)


def view_of(*layers, loss=FALLING):
    tags = LayerTags(
        "effective_rank",
        tuple(f"layer{index}" for index in range(len(layers))),
        tuple(f"effective_rank/layer{index}" for index in range(len(layers))),
    )
    columns = {"loss": (STEPS, loss)} | {
        tag: (STEPS[~np.isnan(value)], value[~np.isnan(value)]) for tag, value in zip(tags.tags, layers, strict=True)
    }
    return make_view(columns, Signals(train_loss=("loss",), per_layer={"effective_rank": tags} if layers else {}))


def test_the_rule_keeps_the_contract():
    check_rule(RepresentationCollapse)


def test_a_last_layer_that_is_the_same_for_every_input_is_a_warning_whatever_the_loss_does():
    (finding,) = findings(RULE, view_of(RANK, loses(0.0)))
    assert (finding.severity, finding.layers) == ("warning", ("layer1",))
    assert (finding.first_step, finding.begins_by) == (401, 410)


def test_an_inner_one_only_where_the_loss_suffers():
    assert findings(RULE, view_of(loses(0.0), RANK)) == []
    assert findings(RULE, view_of(loses(0.0), RANK, loss=WORSE)) != []


def test_a_constant_that_the_loss_welcomes_is_healthy():
    assert findings(RULE, view_of(RANK, loses(0.0), loss=np.where(AFTER, 0.1, FALLING))) == []


@pytest.mark.parametrize(("rank", "found"), [(1.3, True), (2.0, False)])
def test_a_fifth_of_its_own_rank_is_the_limit_where_the_loss_suffers(rank, found):
    assert bool(findings(RULE, view_of(loses(rank), RANK, loss=WORSE))) is found


def test_neural_collapse_is_healthy():
    fitted = 2.0 * np.exp(-STEPS / 100)
    assert findings(RULE, view_of(np.maximum(12.0 * np.exp(-STEPS / 150), 1.0), loss=fitted)) == []


def test_a_layer_that_never_had_directions_and_one_that_came_back_are_not_collapsed():
    assert findings(RULE, view_of(RANK, np.zeros(100), loss=WORSE)) == []
    back = np.where((STEPS > 300) & (STEPS < 600), 0.0, RANK)
    assert findings(RULE, view_of(RANK, back, loss=WORSE)) == []


@pytest.mark.parametrize(("records", "found"), [(4, False), (5, True)])
def test_five_records_in_a_row_are_needed(records, found):
    rank = np.where(np.arange(100) >= 100 - records, 0.0, RANK)
    assert bool(findings(RULE, view_of(rank))) is found


def test_layers_that_take_turns_are_judged_over_their_own_records():
    turns = loses(0.0)
    turns[::3] = np.nan
    assert findings(RULE, view_of(RANK, turns)) != []


def test_silence_rules_it_out():
    view = view_of(RANK)
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is not None
    view = view_of(loses(1.5))
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is None


def test_what_is_missing_is_named():
    measured = RULE.measure(view_of())
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("effective_rank of each layer",)
