"""Parameters without an owner, a gradient or a change are found by name; what is meant so is not an alarm."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.interventions.registry import all_interventions
from trainvitals.rules.rule import NotEnough
from trainvitals.rules.updates.parameters_not_updated import ParametersNotUpdated
from trainvitals.signals import LayerTags, Signals
from trainvitals.view import RunView

RULE = ParametersNotUpdated()
RECORDS = 40
STEPS = 10 * np.arange(RECORDS)
NAMES = tuple(f"{layer}.{kind}" for layer in range(10) for kind in ("weight", "bias"))
ALL = {tags.UNOWNED_PARAMETERS: 0.0, tags.NO_GRADIENT: 0.0, tags.NOT_MOVED: 0.0}


def view_of(counts, *, without_gradient=(), still=(), unowned=(), told=None, similarity=None):
    """A recording of twenty parameters; the named ones lack gradients, updates or an owner."""
    columns = {tag: (STEPS, np.broadcast_to(value, RECORDS)) for tag, value in (ALL | counts).items()}
    rng = np.random.default_rng(0)
    owned = tuple(name for name in NAMES if name not in unowned)
    kinds = {
        "weight_norm": owned,
        "grad_norm": tuple(name for name in owned if name not in without_gradient),
        "update_ratio": tuple(name for name in owned if name not in without_gradient),
    }
    per_layer = {}
    for kind, names in kinds.items():
        per_layer[kind] = LayerTags(kind, names, tuple(f"{kind}/{name}" for name in names))
        for name in names:
            zero = kind == "update_ratio" and name in still
            columns[f"{kind}/{name}"] = (STEPS, np.zeros(RECORDS) if zero else 1 + 0.1 * rng.random(RECORDS))
    if similarity is not None:
        per_layer["unit_similarity"] = LayerTags("unit_similarity", ("5",), ("unit_similarity/5",))
        columns["unit_similarity/5"] = (STEPS, similarity)
    view = make_view(columns, Signals(per_layer=per_layer))
    if told:
        text = json.dumps({"what": told[0], "count": len(told[1]), "names": list(told[1])})
        view = RunView(replace(view.run, texts={tags.event("wiring"): text}), view.signals)
    return view


def unowned_view(names, **more):
    return view_of({tags.UNOWNED_PARAMETERS: len(names)}, unowned=names, told=("unowned", names), **more)


def test_the_rule_keeps_the_contract():
    check_rule(ParametersNotUpdated)


def test_a_layer_that_no_optimizer_owns_is_a_warning_by_name():
    (finding,) = findings(RULE, unowned_view(("5.weight", "5.bias")))
    assert (finding.severity, finding.first_step, finding.layers) == ("warning", 0, ("5.weight", "5.bias"))
    assert "2 parameters of 20" in finding.summary


def test_layers_at_the_input_side_without_an_owner_may_be_meant_so():
    (finding,) = findings(RULE, unowned_view(NAMES[:8]))
    assert finding.confidence < 0.8
    assert "requires_grad_(False)" in finding.summary


@pytest.mark.parametrize(("moves", "severity"), [(True, "info"), (False, "warning")])
def test_what_another_optimizer_moves_is_no_alarm(moves, severity):
    similarity = np.linspace(0.1, 0.2, RECORDS) if moves else np.full(RECORDS, 0.1)
    (finding,) = findings(RULE, unowned_view(("5.weight", "5.bias"), similarity=similarity))
    assert finding.severity == severity


@pytest.mark.parametrize(("name", "severity"), [("target_net.0.weight", "info"), ("targeted.0.weight", "warning")])
def test_copies_that_follow_other_parameters_are_no_alarm(name, severity):
    view = view_of({tags.UNOWNED_PARAMETERS: 1.0}, told=("unowned", (name,)))
    (finding,) = findings(RULE, view)
    assert finding.severity == severity


def test_layers_before_a_detach_get_no_gradient():
    names = NAMES[:4]
    (finding,) = findings(RULE, view_of({tags.NO_GRADIENT: 4.0}, without_gradient=names))
    assert (finding.severity, finding.layers) == ("warning", names)


@pytest.mark.parametrize(("count", "severity"), [(4, "info"), (8, "info"), (12, "warning")])
def test_a_part_behind_the_first_layer_may_be_a_head_that_is_not_used(count, severity):
    (finding,) = findings(RULE, view_of({tags.NO_GRADIENT: float(count)}, without_gradient=NAMES[-count:]))
    assert finding.severity == severity


def test_heads_that_take_turns_are_trained():
    view = view_of({tags.NO_GRADIENT: 2.0})
    series = dict(view.run.series)
    for number, name in enumerate(NAMES[-4:]):
        tag = f"grad_norm/{name}"
        series[tag] = series[tag].take(np.arange(RECORDS) % 2 == number // 2)
    turns = RunView(replace(view.run, series=series), view.signals)
    assert findings(RULE, turns) == []


def test_experts_with_a_changing_number_are_trained():
    counts = np.random.default_rng(0).integers(5, 15, RECORDS).astype(float)
    assert findings(RULE, view_of({tags.NO_GRADIENT: counts})) == []


@pytest.mark.parametrize(("count", "severity"), [(1, "info"), (2, "warning")])
def test_a_single_parameter_that_does_not_move_may_be_held_by_a_limit(count, severity):
    view = view_of({tags.NOT_MOVED: float(count)}, still=NAMES[4 : 4 + count])
    (finding,) = findings(RULE, view, still_share=0.06)
    assert (finding.severity, finding.layers) == (severity, NAMES[4 : 4 + count])


@pytest.mark.parametrize(("share", "found"), [(1e-6, False), (1e-2, True)])
def test_what_does_not_move_for_want_of_a_gradient_is_left_to_vanishing_gradients(share, found):
    view = view_of({tags.NOT_MOVED: 6.0}, still=NAMES[:6])
    series = dict(view.run.series)
    for name in NAMES[:6]:
        tag = f"grad_norm/{name}"
        series[tag] = replace(series[tag], value=series[tag].value * share)
    starved = RunView(replace(view.run, series=series), view.signals)
    measured = RULE.measure(starved)
    assert not isinstance(measured, NotEnough)
    assert bool(RULE.judge(measured, RULE.limits({}))) is found
    assert RULE.rule_out(measured, RULE.limits({})) is None


def test_what_sets_in_later_is_dated():
    (finding,) = findings(RULE, view_of({tags.NOT_MOVED: np.where(STEPS >= 200, 6.0, 0.0)}))
    assert finding.first_step == 200


@pytest.mark.parametrize(("records", "found"), [(2, False), (3, True)])
def test_three_records_are_enough(records, found):
    late = np.where(np.arange(RECORDS) >= RECORDS - records, 6.0, 0.0)
    assert bool(findings(RULE, view_of({tags.NOT_MOVED: late}))) is found


def test_layers_that_are_taken_up_later_are_no_finding_any_more():
    assert findings(RULE, view_of({tags.UNOWNED_PARAMETERS: np.where(STEPS < 200, 6.0, 0.0)})) == []


def test_an_optimizer_of_another_model_is_one_finding():
    columns = {tags.UNOWNED_PARAMETERS: 20.0, tags.NO_GRADIENT: 20.0}
    (finding,) = findings(RULE, view_of(columns, without_gradient=NAMES))
    assert finding.severity == "warning"
    assert len(finding.evidence) == 2


def test_sound_wiring_rules_it_out():
    measured = RULE.measure(view_of({}))
    assert not isinstance(measured, NotEnough)
    assert RULE.judge(measured, RULE.limits({})) == []
    assert RULE.rule_out(measured, RULE.limits({})) is not None


def test_without_the_hooks_it_says_what_would_record_it():
    measured = RULE.measure(make_view({"loss": (STEPS, np.ones(RECORDS))}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.how == "vitals = trainvitals.watch(model, optimizer)"


def test_the_advice_to_own_them_is_for_those_without_an_owner():
    view = unowned_view(("5.weight", "5.bias"))
    (finding,) = findings(RULE, view)
    assert finding.to_try[0] == "own-all-parameters"
    suggestion = all_interventions()["own-all-parameters"].suggest(view, finding)
    assert suggestion is not None
    assert (suggestion.verify.signal, suggestion.verify.size) == (tags.UNOWNED_PARAMETERS, 2.0)
    (finding,) = findings(RULE, view_of({tags.NOT_MOVED: 6.0}))
    assert finding.to_try == ()
