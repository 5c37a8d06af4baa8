"""Outputs that grow on are found and dated; jumps that rest, layers that wake up and confident logits are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.rules.activations.activation_growth import ActivationGrowth
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals

RULE = ActivationGrowth()
STEPS = 10 * np.arange(100)
SINCE = np.clip(STEPS - 405, 0, None)
RNG = np.random.default_rng(0)
NOISE = np.exp(0.05 * RNG.standard_normal(100))
FALLING = (1.0 + 2.0 * np.exp(-STEPS / 200)) * NOISE
WORSE = np.where(SINCE > 150, 1.6, FALLING)


def grows(factor, past=1.0):
    return past * np.exp(np.log(factor) * SINCE / SINCE[-1]) * NOISE


def view_of(*layers, loss=FALLING, rate=None):
    columns = {"loss": (STEPS, loss)}
    tags = LayerTags(
        "activation_std",
        tuple(f"layer{index}" for index in range(len(layers))),
        tuple(f"activation_std/layer{index}" for index in range(len(layers))),
    )
    for tag, value in zip(tags.tags, layers, strict=True):
        columns[tag] = (STEPS[~np.isnan(value)], value[~np.isnan(value)])
    if rate is not None:
        columns["rate"] = (STEPS, rate)
    signals = Signals(
        train_loss=("loss",),
        learning_rate=("rate",) if rate is not None else (),
        per_layer={"activation_std": tags} if layers else {},
    )
    return make_view(columns, signals)


def test_the_rule_keeps_the_contract():
    check_rule(ActivationGrowth)


def test_a_growth_without_end_is_a_warning_whatever_the_loss_does():
    (finding,) = findings(RULE, view_of(NOISE, grows(1e4), NOISE))
    assert (finding.severity, finding.layers) == ("warning", ("layer1",))
    assert finding.first_step == pytest.approx(450, abs=60)


@pytest.mark.parametrize(("factor", "loss", "found"), [(50, FALLING, False), (50, WORSE, True), (6, WORSE, False)])
def test_a_smaller_growth_must_hurt(factor, loss, found):
    assert bool(findings(RULE, view_of(NOISE, NOISE, grows(factor), loss=loss))) is found


def test_a_loss_that_finds_a_way_down_excuses_all_but_the_largest_growth():
    better = np.where(SINCE > 0, 0.4, FALLING)
    assert findings(RULE, view_of(NOISE, NOISE, grows(1e3), loss=better)) == []
    assert findings(RULE, view_of(NOISE, NOISE, grows(1e6), loss=better)) != []


def test_a_layer_that_wakes_up_to_the_level_of_the_others_is_healthy():
    assert findings(RULE, view_of(NOISE, NOISE, grows(1e4, past=1e-4))) == []
    assert findings(RULE, view_of(NOISE, NOISE, grows(1e6, past=1e-3))) != []


def test_a_jump_that_comes_to_rest_and_a_growth_that_is_over_are_left_to_others():
    assert findings(RULE, view_of(NOISE, np.where(SINCE > 0, 1e3, 1.0) * NOISE, NOISE)) == []
    assert findings(RULE, view_of(NOISE, np.where((SINCE > 0) & (SINCE < 300), grows(1e5), NOISE))) == []


def test_a_raised_learning_rate_is_the_better_explanation():
    quick = NOISE * np.exp(np.clip(SINCE / 20, 0, 20))
    assert findings(RULE, view_of(NOISE, NOISE, quick, rate=np.where(SINCE > 0, 0.1, 0.001))) == []
    assert findings(RULE, view_of(NOISE, NOISE, quick, rate=np.full(100, 0.001))) != []


def test_a_growth_that_follows_a_loss_that_blew_up_is_its_consequence():
    blown_up = np.where(STEPS > 250, 50.0, FALLING)
    assert findings(RULE, view_of(NOISE, NOISE, grows(1e6), loss=blown_up)) == []
    assert findings(RULE, view_of(NOISE, NOISE, grows(1e6), loss=np.where(STEPS > 650, 50.0, FALLING))) != []


def test_an_overflow_counts_and_records_in_turn_suffice():
    overflows = np.where(STEPS > 700, np.inf, grows(1e6))
    assert findings(RULE, view_of(NOISE, NOISE, overflows)) != []
    turns = grows(1e6)
    turns[::2] = np.nan
    assert findings(RULE, view_of(NOISE, turns, NOISE)) != []


def test_silence_rules_it_out():
    view = view_of(NOISE, grows(3))
    number = RULE.rule_out(RULE.measure(view), RULE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(3, rel=0.2)
    grown = view_of(NOISE, grows(50))
    assert RULE.rule_out(RULE.measure(grown), RULE.limits({})) is None


def test_what_is_missing_is_named():
    measured = RULE.measure(view_of())
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("activation_std of each layer",)
