"""Starts from weights of the wrong size are found; ordinary and pretrained starts are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.poor_initialisation import PoorInitialisation
from trainvitals.signals import LayerTags, Signals

RULE = PoorInitialisation()
RECORDS = 50
STEPS = 10 * np.arange(RECORDS)
LOSS_STEPS = np.arange(10 * RECORDS)
CLASSES = 10
CHANCE = float(np.log(CLASSES))
ORDINARY = (0.5, 0.4, 0.6, 0.3, 0.4, 0.5)


def view_of(spreads=ORDINARY, loss=CHANCE, log_z=CHANCE, later_spread=3.0, later_loss=0.5, follows=True, first_step=0):
    """A model of so many layers, whose loss falls quickly to its later level."""
    names = tuple(str(2 * index) for index in range(len(spreads)))
    rng = np.random.default_rng(0)
    mean = rng.standard_normal(RECORDS)
    columns = {
        "loss": (first_step + LOSS_STEPS, later_loss + (loss - later_loss) * np.exp(-LOSS_STEPS / 10)),
        tags.OUTPUT_LOG_Z: (first_step + STEPS, np.full(RECORDS, float(log_z))),
        tags.OUTPUT_ROW_SUM: (first_step + STEPS, CLASSES * (mean if follows else rng.standard_normal(RECORDS))),
        f"activation_mean/{names[-1]}": (first_step + STEPS, mean),
    }
    for name, spread in zip(names, spreads, strict=True):
        value = np.full(RECORDS, float(spread))
        value[RECORDS // 4 :] = later_spread if name == names[-1] else spread
        columns[f"activation_std/{name}"] = (first_step + STEPS, value)
        columns[f"weight_norm/{name}.weight"] = (first_step + STEPS, np.ones(RECORDS))
    per_layer = {
        "activation_std": LayerTags("activation_std", names, tuple(f"activation_std/{name}" for name in names)),
        "activation_mean": LayerTags("activation_mean", names[-1:], (f"activation_mean/{names[-1]}",)),
        "weight_norm": LayerTags(
            "weight_norm",
            tuple(f"{name}.weight" for name in names),
            tuple(f"weight_norm/{name}.weight" for name in names),
        ),
    }
    return make_view(columns, Signals(train_loss=("loss",), per_layer=per_layer))


def wide(spread, loss=None, **more):
    log_z = CHANCE + spread
    return view_of((*ORDINARY[:-1], spread), loss=log_z if loss is None else loss, log_z=log_z, **more)


def test_the_rule_keeps_the_contract():
    check_rule(PoorInitialisation)


def test_an_ordinary_start_is_no_finding_and_rules_it_out():
    measured = RULE.measure(view_of())
    assert not isinstance(measured, NotEnough)
    assert RULE.judge(measured, RULE.limits({})) == []
    assert RULE.rule_out(measured, RULE.limits({})) is not None


def test_wide_logits_that_know_nothing_are_a_warning_at_the_first_step():
    (finding,) = findings(RULE, wide(8.0))
    assert (finding.severity, finding.first_step, finding.layers) == ("warning", 0, ("10",))
    assert any("10 classes costs 2.3" in item.text for item in finding.evidence)


@pytest.mark.parametrize(("spread", "found"), [(2.4, False), (2.6, True)])
def test_the_spread_is_held_against_its_limit(spread, found):
    assert bool(findings(RULE, wide(spread))) is found


def test_wider_logits_are_surer():
    (wider,), (narrower,) = findings(RULE, wide(8.0)), findings(RULE, wide(3.0))
    assert wider.confidence > narrower.confidence


def test_a_pretrained_start_has_wide_logits_and_a_low_loss():
    assert findings(RULE, wide(5.0, loss=0.1, later_loss=0.05)) == []


def test_a_first_loss_at_the_uniform_guess_is_no_finding():
    assert findings(RULE, view_of((*ORDINARY[:-1], 4.0))) == []


def test_a_wide_layer_that_the_output_does_not_follow_is_not_the_output():
    assert findings(RULE, wide(4.0, follows=False)) == []


def test_a_regression_that_starts_far_too_wide_is_a_warning():
    (finding,) = findings(
        RULE, view_of((*ORDINARY[:-1], 30.0), loss=900.0, log_z=60.0, later_spread=1.0, later_loss=0.5)
    )
    assert finding.severity == "warning"
    assert "30 times as wide" in finding.summary


@pytest.mark.parametrize(("later_spread", "later_loss"), [(4.0, 0.5), (1.0, 100.0)])
def test_a_wide_output_that_is_needed_or_costs_little_is_no_finding(later_spread, later_loss):
    view = view_of((*ORDINARY[:-1], 30.0), loss=900.0, log_z=60.0, later_spread=later_spread, later_loss=later_loss)
    assert findings(RULE, view) == []


@pytest.mark.parametrize(("factor", "found"), [(2.0, False), (4.5, True), (1 / 4.5, True)])
def test_outputs_that_grow_or_shrink_layer_by_layer_are_a_warning(factor, found):
    spreads = 0.5 * factor ** np.arange(6)
    view = view_of(spreads, loss=CHANCE, log_z=CHANCE, later_spread=spreads[-1])
    assert [finding.severity for finding in findings(RULE, view)] == ["warning"] * found


def test_layers_of_different_size_in_no_order_are_no_finding():
    assert findings(RULE, view_of((0.001, 0.9, 0.002, 0.001, 0.8, 0.5))) == []


def test_three_layers_show_no_growth():
    assert findings(RULE, view_of((0.01, 0.3, 2.0))) == []


def test_a_log_that_begins_later_shows_no_first_step():
    assert RULE.measure(wide(8.0, first_step=500)) == NotEnough()


def test_a_loss_of_zero_divides_nothing():
    assert findings(RULE, view_of((*ORDINARY[:-1], 30.0), loss=0.0, log_z=60.0, later_spread=0.0, later_loss=0.0)) == []


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"loss": (STEPS, np.ones(RECORDS))}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.how == "vitals = trainvitals.watch(model, optimizer)"
