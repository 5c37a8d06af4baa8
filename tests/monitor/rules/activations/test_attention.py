"""Attention that collapses and logits that grow on are found; sharp attention that learns and stable logits are not."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.interventions.clip_queries_and_keys import ClipQueriesAndKeys
from trainvitals.rules.activations.attention_collapse import AttentionCollapse
from trainvitals.rules.activations.attention_logit_growth import AttentionLogitGrowth
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals

COLLAPSE, GROWTH = AttentionCollapse(), AttentionLogitGrowth()
STEPS = 10 * np.arange(100)
AFTER = STEPS > 405
RNG = np.random.default_rng(0)
NOISE = np.exp(0.02 * RNG.standard_normal(100))
FALLING = (1.0 + 2.0 * np.exp(-STEPS / 200)) * NOISE
WORSE = np.where(AFTER, 1.5, FALLING)
SPREAD = 2.3 * NOISE
SMALL = 3.0 * NOISE


def collapses(to=0.01):
    return np.where(AFTER, to * NOISE, SPREAD)


def hard(logit=500.0):
    return np.where(AFTER, logit * NOISE, SMALL)


def view_of(entropies=(), logits=(), loss=FALLING):
    columns, per_layer = {"loss": (STEPS, loss)}, {}
    for kind, layers in (("attention_entropy", entropies), ("attention_logit_max", logits)):
        if layers:
            names = tuple(f"block{index}" for index in range(len(layers)))
            per_layer[kind] = LayerTags(kind, names, tuple(f"{kind}/{name}" for name in names))
            columns |= {tag: (STEPS, value) for tag, value in zip(per_layer[kind].tags, layers, strict=True)}
    return make_view(columns, Signals(train_loss=("loss",), per_layer=per_layer))


@pytest.mark.parametrize("rule", [AttentionCollapse, AttentionLogitGrowth])
def test_the_rules_keep_the_contract(rule):
    check_rule(rule)


def test_a_collapse_is_a_warning_at_its_onset_with_the_layers_named():
    (finding,) = findings(COLLAPSE, view_of([SPREAD, collapses()], [SMALL, hard()]))
    assert (finding.severity, finding.first_step, finding.begins_by) == ("warning", 401, 410)
    assert finding.layers == ("block1",)
    assert {"attention_entropy/block1", "attention_logit_max/block1", "loss"} == finding.signals


def test_without_large_logits_the_loss_must_suffer():
    assert findings(COLLAPSE, view_of([collapses()], [hard(40.0)])) == []
    assert findings(COLLAPSE, view_of([collapses()])) == []
    (finding,) = findings(COLLAPSE, view_of([collapses()], loss=WORSE))
    assert finding.severity == "warning"


@pytest.mark.parametrize(("entropy", "found"), [(0.2, True), (0.26, False)])
def test_a_tenth_of_its_own_largest_entropy_is_the_limit(entropy, found):
    assert bool(findings(COLLAPSE, view_of([collapses(entropy)], [hard()]))) is found


def test_attention_that_sharpens_while_the_loss_falls_is_healthy():
    assert findings(COLLAPSE, view_of([collapses()], [hard()], loss=np.where(AFTER, 0.3, FALLING))) == []


def test_healthy_sharpening_and_narrow_attention_are_silent():
    gradually = np.linspace(2.3, 0.6, 100) * NOISE
    assert findings(COLLAPSE, view_of([gradually], [hard()], loss=WORSE)) == []
    assert findings(COLLAPSE, view_of([collapses() / 4], [hard()], loss=WORSE)) == []
    back = np.where((STEPS > 300) & (STEPS < 600), 0.01, SPREAD)
    assert findings(COLLAPSE, view_of([back], [hard()], loss=WORSE)) == []


@pytest.mark.parametrize(("records", "found"), [(4, False), (5, True)])
def test_five_records_in_a_row_are_needed(records, found):
    late = np.arange(100) >= 100 - records
    entropy, logit = np.where(late, 0.01, SPREAD), np.where(late, 500.0, SMALL)
    assert bool(findings(COLLAPSE, view_of([entropy], [logit]))) is found


def test_logits_that_grow_on_are_a_warning():
    growing = np.exp(np.linspace(0, np.log(400), 100)) * NOISE
    (finding,) = findings(GROWTH, view_of(logits=[SMALL, growing]))
    assert (finding.severity, finding.layers) == ("warning", ("block1",))
    assert finding.first_step == pytest.approx(660, abs=40)
    assert findings(GROWTH, view_of(logits=[growing / 5])) == []


def test_large_logits_that_have_found_their_level_are_healthy():
    assert findings(GROWTH, view_of(logits=[hard(150.0)])) == []
    assert findings(GROWTH, view_of(logits=[150 * NOISE])) == []
    (finding,) = findings(GROWTH, view_of(logits=[hard(150.0)], loss=WORSE))
    assert finding.severity == "warning"


def test_a_growth_from_a_large_start_is_no_growth():
    assert findings(GROWTH, view_of(logits=[np.linspace(60, 200, 100)])) == []
    assert findings(GROWTH, view_of(logits=[np.linspace(30, 200, 100)])) != []


def test_logits_that_jump_together_with_the_entropy_are_left_to_the_collapse():
    growing = np.where(AFTER, 500.0 * (1 + STEPS / 100), SMALL)
    assert findings(GROWTH, view_of([SPREAD], [growing])) != []
    assert findings(GROWTH, view_of([collapses()], [growing])) == []


def test_silence_rules_out():
    for rule, view in ((COLLAPSE, view_of([SPREAD])), (GROWTH, view_of(logits=[SMALL]))):
        assert rule.rule_out(rule.measure(view), rule.limits({})) is not None
    for rule, view in ((COLLAPSE, view_of([collapses()])), (GROWTH, view_of(logits=[hard()]))):
        assert rule.rule_out(rule.measure(view), rule.limits({})) is None


@pytest.mark.parametrize("rule", [COLLAPSE, GROWTH])
def test_what_is_missing_is_named(rule):
    measured = rule.measure(view_of())
    assert isinstance(measured, NotEnough)
    assert measured.missing


def test_clipping_is_verified_by_the_largest_logit():
    view = view_of([collapses()], [hard()])
    suggestion = ClipQueriesAndKeys().suggest(view, findings(COLLAPSE, view)[0])
    assert suggestion is not None
    ast.parse(suggestion.how)
    assert (suggestion.verify.signal, suggestion.verify.direction) == ("attention_logit_max/block0", "down")
    assert suggestion.verify.size == pytest.approx(400, abs=40)
