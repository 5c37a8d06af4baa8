"""Layers that saturate are found where the loss suffers; gates, the output and tanh at work are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.rules.activations.saturated_activations import SaturatedActivations
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals

RULE = SaturatedActivations()
STEPS = 10 * np.arange(100)
AFTER = STEPS > 405
RNG = np.random.default_rng(0)
FALLING = (1.0 + 2.0 * np.exp(-STEPS / 200)) * np.exp(0.02 * RNG.standard_normal(100))
WORSE = np.where(AFTER, 1.8, FALLING)
STUCK = 2.3 + 0.01 * RNG.standard_normal(100)
AT_WORK = np.clip(0.3 + 0.03 * RNG.standard_normal(100), 0, 1)


def saturates(to=0.97):
    return np.where(AFTER, to, AT_WORK)


def view_of(*layers, loss=WORSE, modules=("head",)):
    names = tuple(f"tanh{index}" for index in range(len(layers)))
    saturated = "activation_saturated_fraction"
    columns = {"loss": (STEPS, loss)} | {
        f"{saturated}/{name}": (STEPS[~np.isnan(value)], value[~np.isnan(value)])
        for name, value in zip(names, layers, strict=True)
    }
    columns |= {f"activation_std/{name}": (STEPS, np.ones(100)) for name in modules}
    per_layer = {"activation_std": LayerTags("activation_std", modules, tuple(f"activation_std/{m}" for m in modules))}
    if layers:
        per_layer[saturated] = LayerTags(saturated, names, tuple(f"{saturated}/{name}" for name in names))
    return make_view(columns, Signals(train_loss=("loss",), per_layer=per_layer))


def test_the_rule_keeps_the_contract():
    check_rule(SaturatedActivations)


def test_a_layer_that_saturates_under_a_loss_that_suffers_is_a_warning_at_its_onset():
    (finding,) = findings(RULE, view_of(AT_WORK, saturates()))
    assert (finding.severity, finding.layers) == ("warning", ("tanh1",))
    assert (finding.first_step, finding.begins_by) == (401, 410)


def test_under_a_loss_that_falls_it_is_wanted():
    assert findings(RULE, view_of(saturates(), loss=FALLING)) == []
    assert findings(RULE, view_of(np.full(100, 0.97), loss=FALLING)) == []


def test_from_the_start_under_a_loss_that_never_moved_it_is_a_warning():
    (finding,) = findings(RULE, view_of(np.full(100, 0.97), loss=STUCK))
    assert (finding.severity, finding.first_step) == ("warning", 0)
    assert findings(RULE, view_of(np.full(100, 0.7), loss=STUCK)) == []


@pytest.mark.parametrize(("share", "found"), [(0.78, False), (0.82, True)])
def test_four_fifths_of_the_outputs_are_the_limit(share, found):
    assert bool(findings(RULE, view_of(saturates(share)))) is found


def test_a_small_rise_is_none():
    assert findings(RULE, view_of(np.where(AFTER, 0.9, 0.65))) == []
    assert findings(RULE, view_of(np.where(AFTER, 0.9, 0.55))) != []


def test_the_output_of_the_model_may_saturate():
    assert findings(RULE, view_of(saturates(), modules=("linear", "tanh0"))) == []


def test_a_short_stretch_and_one_that_is_over_do_not_count():
    assert findings(RULE, view_of(np.where(STEPS >= 960, 0.97, AT_WORK))) == []
    assert findings(RULE, view_of(np.where((STEPS > 300) & (STEPS < 600), 0.97, AT_WORK))) == []


def test_layers_that_take_turns_are_judged_over_their_own_records():
    turns = saturates()
    turns[1::2] = np.nan
    assert findings(RULE, view_of(turns, AT_WORK)) != []


def test_silence_rules_it_out():
    view = view_of(AT_WORK)
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is not None
    view = view_of(np.full(100, 0.6))
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is None


def test_what_is_missing_is_named():
    measured = RULE.measure(view_of())
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("activation_saturated_fraction of each layer",)
