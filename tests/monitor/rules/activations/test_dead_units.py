"""Layers that die are found and dated; sparse layers, layers that take turns and layers that nobody misses are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.interventions.recycle_units import RecycleUnits
from trainvitals.model import Run
from trainvitals.rules.activations.dead_units import DeadUnits
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals
from trainvitals.view import RunView

RULE = DeadUnits()
STEPS = 10 * np.arange(100)
ONSET = 405
RNG = np.random.default_rng(0)
FALLING = (1.0 + 2.0 * np.exp(-STEPS / 200)) * np.exp(0.02 * RNG.standard_normal(100))
SPARSE = 0.8 + 0.02 * RNG.standard_normal(100)


def dies(before=SPARSE, now=1.0, onset=ONSET):
    return np.where(onset < STEPS, now, before)


def jumps(to=2.5):
    return np.where(onset_reached(), to, FALLING)


def onset_reached():
    return STEPS > ONSET


def view_of(zeros=(), dormant=(), loss=FALLING):
    columns = {"loss": (STEPS, loss)}
    per_layer = {}
    for kind, layers in (("activation_zero_fraction", zeros), ("dormant_unit_fraction", dormant)):
        if layers:
            names = tuple(f"layer{index}" for index in range(len(layers)))
            per_layer[kind] = LayerTags(kind, names, tuple(f"{kind}/{name}" for name in names))
            columns |= {
                tag: (STEPS[~np.isnan(value)], value[~np.isnan(value)])
                for tag, value in zip(per_layer[kind].tags, layers, strict=True)
            }
    return make_view(columns, Signals(train_loss=("loss",), per_layer=per_layer))


def columns_of(view):
    return {tag: (series.step, series.value) for tag, series in view.run.series.items() if "/" in tag}


def test_the_rule_keeps_the_contract():
    check_rule(DeadUnits)


def test_a_layer_that_dies_is_a_warning_from_the_first_step_after_the_last_sign_of_life():
    (finding,) = findings(RULE, view_of([SPARSE, dies()], loss=jumps()))
    assert finding.severity == "warning"
    assert (finding.first_step, finding.begins_by) == (401, 410)
    assert finding.layers == ("layer1",)
    assert finding.confidence > 0.9


def test_a_dead_branch_that_the_loss_does_not_miss_is_no_finding():
    assert findings(RULE, view_of([dies()])) == []
    assert findings(RULE, view_of([dies()], loss=np.where(onset_reached(), 0.1, FALLING))) == []


def test_a_layer_that_dies_after_the_loss_blew_up_is_a_consequence():
    assert findings(RULE, view_of([dies()], loss=np.where(STEPS > 250, 50.0, FALLING) + onset_reached())) == []


def test_without_a_loss_it_is_less_certain():
    view = view_of([dies()])
    (finding,) = findings(RULE, make_view(columns_of(view), Signals(per_layer=view.signals.per_layer)))
    assert (finding.severity, finding.confidence < 0.9) == ("warning", True)


def test_sparse_layers_are_healthy():
    for share in (0.5, 0.8, 0.9):
        level = np.clip(share + 0.02 * RNG.standard_normal(100), 0, 1)
        assert findings(RULE, view_of([level], [level], loss=jumps())) == []


@pytest.mark.parametrize(("records", "found"), [(4, False), (5, True)])
def test_five_records_in_a_row_are_needed(records, found):
    late = np.where(np.arange(100) >= 100 - records, 2.5, FALLING)
    assert bool(findings(RULE, view_of([dies(onset=STEPS[-records] - 5)], loss=late))) is found


def test_one_record_with_life_in_it_and_a_layer_that_came_back_are_healthy():
    value = dies()
    value[-2] = 0.7
    assert findings(RULE, view_of([value], loss=jumps())) == []
    assert findings(RULE, view_of([np.where((STEPS > 300) & (STEPS < 600), 1.0, 0.7)], loss=jumps())) == []


def test_layers_that_take_turns_are_judged_over_their_own_records():
    first, second = dies(), np.full(100, 0.6)
    first[::2], second[1::2] = np.nan, np.nan
    (finding,) = findings(RULE, view_of([first, second], loss=jumps()))
    assert (finding.layers, finding.begins_by) == (("layer0",), 410)


def test_a_layer_that_never_lived_is_a_warning_only_where_the_loss_never_moved():
    dead = np.ones(100)
    assert findings(RULE, view_of([dead])) == []
    (finding,) = findings(RULE, view_of([dead], loss=2.3 + 0.01 * RNG.standard_normal(100)))
    assert (finding.severity, finding.first_step) == ("warning", 0)


def test_nearly_all_zeros_count_where_the_loss_suffers():
    assert findings(RULE, view_of([dies(now=0.97)])) == []
    (finding,) = findings(RULE, view_of([dies(now=0.97)], loss=jumps()))
    assert (finding.severity, finding.first_step) == ("warning", 401)
    assert findings(RULE, view_of([dies(now=0.94)], loss=jumps())) == []
    assert findings(RULE, view_of([dies(now=0.97)], loss=jumps()), nearly_all_zero=0.98) == []


@pytest.mark.parametrize(("before", "now", "found"), [(0.1, 0.6, True), (0.1, 0.45, False), (0.5, 0.7, False)])
def test_many_units_that_go_quiet_count_where_the_loss_suffers(before, now, found):
    quiet = dies(before=np.full(100, before), now=now)
    assert bool(findings(RULE, view_of(dormant=[quiet], loss=jumps()))) is found
    assert findings(RULE, view_of(dormant=[quiet])) == []


def test_silence_rules_it_out_where_dormant_units_were_counted():
    view = view_of([SPARSE], [np.full(100, 0.12)])
    number = RULE.rule_out(RULE.measure(view), RULE.limits({}))
    assert number is not None
    assert (number.value, number.threshold) == (0.12, 0.5)
    assert RULE.rule_out(RULE.measure(view_of([SPARSE])), RULE.limits({})) is None
    assert RULE.rule_out(RULE.measure(view_of([SPARSE], [np.full(100, 0.6)])), RULE.limits({})) is None


def test_what_is_missing_is_named_unless_the_hooks_looked():
    bare = view_of()
    measured = RULE.measure(bare)
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("activation_zero_fraction of each layer",)
    looked = Run("r", "", "r", "test", bare.run.series, hyper_parameters={"signals": "weights, activations"})
    assert RULE.measure(RunView(looked, bare.signals)) == NotEnough()


def test_recycling_is_verified_by_the_layer_that_died():
    view = view_of([dies()], loss=jumps())
    suggestion = RecycleUnits().suggest(view, findings(RULE, view)[0])
    assert suggestion is not None
    assert suggestion.verify.signal == "activation_zero_fraction/layer0"
    assert suggestion.verify.direction == "down"
