"""Vanishing along the depth and everywhere is found; frozen layers, full updates and fitted losses acquit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view

from trainvitals.model import HistogramSeries, Run, Series
from trainvitals.rules.gradients.layer_gradients import layer_gradients
from trainvitals.rules.gradients.vanishing_gradients import VanishingGradients
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals
from trainvitals.view import RunView

RULE = VanishingGradients()
RECORDS = 40
STEPS = 100 * np.arange(RECORDS)
STUCK = np.full(RECORDS, 2.3)
SHRINKING = 10.0 ** -np.arange(5.0, -1.0, -1.0)  # six layers, a decade from each to the next


def wobble(values, seed=0):
    return values * np.exp(0.2 * np.random.default_rng(seed).standard_normal((RECORDS, values.shape[-1])))


def view_of(gradients, loss=STUCK, **per_layer):
    kinds = {"grad_norm": gradients, **per_layer}
    columns = {"loss": (STEPS, loss)}
    tags = {}
    for kind, value in kinds.items():
        table = np.broadcast_to(value, (RECORDS, np.shape(value)[-1]))
        tags[kind] = layer_tags(kind, table.shape[1])
        columns |= {tag: (STEPS, table[:, index]) for index, tag in enumerate(tags[kind].tags)}
    return make_view(columns, Signals(train_loss=("loss",), per_layer=tags))


def test_a_gradient_that_shrinks_towards_the_input_is_a_warning_from_the_start():
    (finding,) = findings(RULE, view_of(wobble(SHRINKING)))
    assert (finding.severity, finding.first_step) == ("warning", 0)
    assert finding.layers[:2] == ("layer0", "layer1")
    assert "layer5" not in finding.layers


def test_vanishing_that_sets_in_later_is_dated():
    fades = np.where((STEPS >= 1500)[:, None], wobble(SHRINKING), wobble(np.ones(6)))
    (finding,) = findings(RULE, view_of(fades))
    assert finding.first_step == pytest.approx(1500, abs=100)


@pytest.mark.parametrize(("share", "found"), [(5e-4, True), (2e-3, False)])
def test_the_share_is_held_against_a_thousandth(share, found):
    profile = np.geomspace(share, 1.0, 3)
    assert bool(findings(RULE, view_of(np.broadcast_to(profile, (RECORDS, 3))))) is found


def test_ordinary_networks_differ_by_some_decades_between_layers_but_not_in_order():
    rng = np.random.default_rng(1)
    for _ in range(20):
        profile = 10.0 ** rng.uniform(-1.0, 1.0, 9)
        assert findings(RULE, view_of(wobble(profile))) == []


def test_layers_without_any_gradient_behind_enormous_ones_are_no_division_by_zero():
    """Seen where a training had blown up: the warning of a division would reach whoever reads the log."""
    profile = np.array([1e30, 1e30, 1e30, 1e30, 0.0, 0.0])
    assert findings(RULE, view_of(np.broadcast_to(profile, (RECORDS, 6)))) == []


def test_one_weak_layer_is_no_vanishing():
    profile = np.array([1e-5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert findings(RULE, view_of(wobble(profile))) == []


def test_what_recovers_is_no_finding():
    recovers = np.where((STEPS < 3000)[:, None], wobble(SHRINKING), wobble(np.ones(6)))
    assert findings(RULE, view_of(recovers)) == []


def test_full_updates_in_the_early_layers_acquit():
    assert findings(RULE, view_of(wobble(SHRINKING), update_ratio=np.full(6, 1e-3))) == []


def test_missing_updates_in_the_early_layers_make_it_sure():
    (finding,) = findings(RULE, view_of(wobble(SHRINKING), update_ratio=1e-3 * SHRINKING))
    assert finding.severity == "warning"
    assert finding.confidence > 0.9


def test_without_update_ratios_and_with_a_falling_loss_it_is_an_information():
    falling = 2.3 * np.exp(-STEPS / 2000.0) + 0.5
    (finding,) = findings(RULE, view_of(wobble(SHRINKING), loss=falling))
    assert finding.severity == "info"


def test_frozen_layers_are_left_out():
    frozen = np.concatenate([np.zeros((RECORDS, 4)), wobble(np.ones(5))], axis=1)
    view = view_of(frozen)
    assert findings(RULE, view) == []
    gradients = layer_gradients(view)
    assert gradients is not None
    assert gradients.frozen == ("layer0", "layer1", "layer2", "layer3")


def test_layers_that_go_silent_later_are_not_frozen():
    dies = wobble(np.ones(6))
    dies[10:, :3] = 0.0
    (finding,) = findings(RULE, view_of(dies))
    assert finding.first_step == 1000


def test_weights_of_different_size_are_compared_by_their_own_size():
    gradients, weights = wobble(np.geomspace(1e-4, 1.0, 6)), np.geomspace(1e-4, 1.0, 6)
    assert findings(RULE, view_of(gradients)) != []
    assert findings(RULE, view_of(gradients, weight_norm=weights)) == []


def test_biases_beside_weights_do_not_blur_the_profile():
    names = tuple(f"layer{index // 2}.{'weight' if index % 2 == 0 else 'bias'}" for index in range(12))
    value = wobble(np.stack([SHRINKING, np.full(6, 1e-3)], axis=1).reshape(-1))
    tags = tuple(f"grad_norm/{name}" for name in names)
    columns = {tag: (STEPS, value[:, index]) for index, tag in enumerate(tags)}
    view = make_view(columns, Signals(per_layer={"grad_norm": LayerTags("grad_norm", names, tags)}))
    (finding,) = findings(RULE, view)
    assert all(layer.endswith("weight") for layer in finding.layers)


def test_no_layer_with_a_gradient_and_a_loss_that_never_moved_is_a_warning():
    (finding,) = findings(RULE, view_of(wobble(np.full(6, 1e-9))))
    assert finding.severity == "warning"
    assert "no layer" in finding.summary


@pytest.mark.parametrize("silent", [0.0, 1e-9])
def test_a_gradient_that_goes_from_all_layers_later_on_was_taken_by_something_else(silent):
    dies = wobble(np.ones(6))
    dies[20:] = silent
    assert findings(RULE, view_of(dies)) == []


def test_a_gradient_of_exactly_zero_is_no_product_of_small_factors():
    assert findings(RULE, view_of(np.zeros((RECORDS, 6)))) == []


def decayed_view(ratios, optimizer="SGD"):
    """Updates recorded beside a weight decay that shrinks the weights by 2e-5 a step."""
    view = view_of(wobble(SHRINKING), update_ratio=ratios)
    columns = {tag: (series.step, series.value) for tag, series in view.run.series.items()}
    columns["rate"] = (STEPS, np.full(RECORDS, 0.02))
    signals = replace(view.signals, learning_rate=("rate",))
    settings = {"weight_decay": 1e-4, "momentum": 0.9, "optimizer": optimizer}
    return RunView(replace(make_view(columns, signals).run, hyper_parameters=settings), signals)


def test_layers_that_only_decay_stand_still():
    early_only_decay = np.maximum(1e-3 * SHRINKING, 2e-5)
    assert findings(RULE, view_of(wobble(SHRINKING), update_ratio=early_only_decay)) == []
    (finding,) = findings(RULE, decayed_view(early_only_decay))
    assert finding.confidence > 0.9


def test_layers_that_move_faster_than_decay_learn():
    assert findings(RULE, decayed_view(np.maximum(1e-3 * SHRINKING, 5e-5))) == []


def test_the_pace_of_decay_inside_an_adaptive_step_is_not_known():
    assert findings(RULE, decayed_view(np.maximum(1e-3 * SHRINKING, 2e-5), "Adam")) == []


@pytest.mark.parametrize(("pace", "found"), [(2e-4, False), (5e-5, True)])
def test_early_layers_that_move_at_a_usual_pace_learn_however_fast_the_late_ones_are(pace, found):
    ratios = np.array([pace, pace, pace, 1e-2, 1e-1, 1e-1])
    assert bool(findings(RULE, view_of(wobble(SHRINKING), update_ratio=ratios))) is found


def ruled_out(view):
    return RULE.rule_out(RULE.measure(view), RULE.limits({}))


def test_an_even_profile_rules_it_out_by_its_number():
    number = ruled_out(view_of(wobble(np.ones(6))))
    assert number is not None
    assert number.value == pytest.approx(1.0, rel=0.3)


def test_full_updates_rule_it_out_by_their_number():
    number = ruled_out(view_of(wobble(SHRINKING), update_ratio=np.full(6, 1e-3)))
    assert number is not None
    assert number.value == pytest.approx(1e-3)


@pytest.mark.parametrize("gradients", [wobble(np.full(6, 1e-9)), wobble(np.array([1e-5, 1, 1e-5, 1e-5, 1, 1]))])
def test_a_silent_network_or_a_small_share_out_of_order_rules_nothing_out(gradients):
    assert ruled_out(view_of(gradients)) is None


def test_a_gradient_that_goes_with_a_fitted_loss_is_no_finding():
    fitted = 2.3 * np.exp(-STEPS / 300.0)
    gradients = wobble(np.ones(6)) * np.exp(-STEPS / 100.0)[:, None]
    assert findings(RULE, view_of(gradients, loss=fitted)) == []


def test_a_silent_network_without_a_loss_is_not_judged():
    tags = layer_tags("grad_norm", 4)
    columns = {tag: (STEPS, np.full(RECORDS, 1e-9)) for tag in tags.tags}
    assert findings(RULE, make_view(columns, Signals(per_layer={"grad_norm": tags}))) == []


@pytest.mark.parametrize("layers", [1, 2])
def test_fewer_than_three_layers_do_not_apply(layers):
    assert RULE.measure(view_of(np.ones(layers))) == NotEnough()


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"loss": (STEPS, STUCK)}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing
    assert measured.how


def test_histograms_bring_the_number_of_parameters():
    tags = layer_tags("grad_norm", 3)
    counts = dict(zip(tags.tags, (100.0, 10_000.0, 1_000_000.0), strict=True))
    ones = np.ones(RECORDS)
    clock = np.full(RECORDS, np.nan)
    histograms = {
        tag: HistogramSeries(tag, STEPS, clock, count * ones, ones, ones, ones, ones, ones, np.ones((RECORDS, 5)))
        for tag, count in counts.items()
    }
    series = {tag: Series(tag, STEPS, clock, ones) for tag in tags.tags}
    run = Run(id="r", path="", name="r", format="test", series=series, histograms=histograms)
    gradients = layer_gradients(RunView(run, Signals(per_layer={"grad_norm": tags})))
    assert gradients is not None
    assert gradients.unit == "a parameter"
    np.testing.assert_allclose(gradients.value[0], [0.1, 0.01, 0.001])
