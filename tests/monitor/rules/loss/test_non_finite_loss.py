"""A loss that is NaN or infinite is dated to where it began; what was never computed is left in peace."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import tags
from trainvitals.rules.loss.non_finite_loss import NonFiniteLoss
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = NonFiniteLoss()
POINTS = 400
STEPS = 10 * np.arange(POINTS)
LOSS = (0.5 + 2.0 * (1 + np.arange(POINTS) / 20) ** -0.6) * np.exp(
    0.02 * np.random.default_rng(0).standard_normal(POINTS)
)
NAN_FROM_3000 = np.where(STEPS < 3000, LOSS, np.nan)


def view_of(loss, val=None, gradient=None, *, supervised=True):
    columns = {"loss": (STEPS, loss)}
    if val is not None:
        columns["val"] = (STEPS[::10], val)
    if gradient is not None:
        columns["norm"] = (STEPS, gradient)
    signals = Signals(
        train_loss=("loss",),
        val_loss={"": "val"} if val is not None else {},
        grad_norm=("norm",) if gradient is not None else (),
        supervised=supervised,
    )
    return make_view(columns, signals)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_stays_non_finite_is_an_error_at_its_first_step(value):
    (finding,) = findings(RULE, view_of(np.where(STEPS < 3000, LOSS, value)))
    assert (finding.severity, finding.first_step, finding.last_step) == ("error", 3000, 3990)
    assert "out of the blue" in finding.summary
    assert any(item.step == 2990 and item.value == LOSS[299] for item in finding.evidence)


def test_the_finding_begins_with_the_blow_up_that_led_there():
    loss = NAN_FROM_3000.copy()
    loss[280:300] *= np.exp(0.5 * np.arange(1, 21))
    (finding,) = findings(RULE, view_of(loss))
    assert finding.first_step == pytest.approx(2800, abs=40)
    assert "after a blow-up" in finding.summary
    assert any(item.step == 3000 for item in finding.evidence)


def test_a_log_that_ends_with_its_first_nan_is_an_error():
    assert severities(RULE, view_of(np.append(LOSS[:-1], np.nan))) == ["error"]


def test_one_nan_that_recovers_is_an_information():
    loss = LOSS.copy()
    loss[200] = np.nan
    (finding,) = findings(RULE, view_of(loss))
    assert (finding.severity, finding.first_step, finding.last_step) == ("info", 2000, 2000)


@pytest.mark.parametrize(("count", "severity"), [(4, "info"), (5, "warning")])
def test_isolated_values_are_a_warning_from_one_in_a_hundred_on(count, severity):
    loss = LOSS.copy()
    loss[50 : 50 + 60 * count : 60] = np.nan
    assert severities(RULE, view_of(loss)) == [severity]


def test_training_and_validation_that_break_together_are_one_finding():
    (finding,) = findings(RULE, view_of(NAN_FROM_3000, val=np.where(STEPS[::10] < 3000, 1.0, np.nan)))
    assert finding.signals == {"loss", "val"}


def test_a_validation_loss_that_breaks_alone_is_a_warning():
    assert severities(RULE, view_of(LOSS, val=np.where(STEPS[::10] < 3000, 1.0, np.nan))) == ["warning"]


@pytest.mark.parametrize("val", [np.full(40, np.nan), np.where(np.arange(40) < 3, np.inf, 1.0)])
def test_a_validation_that_was_never_or_not_yet_computed_is_nothing(val):
    assert findings(RULE, view_of(LOSS, val=val)) == []


def test_a_loss_written_at_every_tenth_step_only_is_nothing():
    assert findings(RULE, view_of(np.where(np.arange(POINTS) % 10 == 0, LOSS, np.nan))) == []


def test_a_training_loss_without_any_value_is_an_error_unless_another_loss_has_some():
    assert severities(RULE, view_of(np.full(POINTS, np.nan))) == ["error"]
    assert findings(RULE, view_of(np.full(POINTS, np.nan), val=np.ones(40))) == []


def test_nan_in_a_tag_that_is_no_loss_is_nothing():
    columns = {"loss": (STEPS, LOSS), "Policy/Entropy Coeff": (STEPS, np.full(POINTS, np.nan))}
    assert findings(RULE, make_view(columns, Signals(train_loss=("loss",)))) == []


def test_exact_zeros_out_of_the_blue_stand_for_nan():
    (finding,) = findings(RULE, view_of(np.where(STEPS < 3000, LOSS, 0.0)))
    assert (finding.severity, finding.first_step) == ("error", 3000)
    assert "stands for NaN" in finding.summary


def test_two_zeros_need_a_gradient_that_is_not_finite():
    loss = np.where(STEPS < 3980, LOSS, 0.0)
    assert findings(RULE, view_of(loss, gradient=np.ones(POINTS))) == []
    assert severities(RULE, view_of(loss, gradient=np.where(STEPS < 3980, 1.0, np.nan))) == ["error"]


def test_a_loss_that_reaches_zero_by_learning_is_nothing():
    falling = LOSS * np.exp(-STEPS / 300)
    assert findings(RULE, view_of(np.where(falling < 1e-4, 0.0, falling))) == []


def test_nan_is_nan_in_reinforcement_learning_too_but_zeros_are_zeros():
    assert severities(RULE, view_of(NAN_FROM_3000, supervised=False)) == ["error"]
    assert findings(RULE, view_of(np.where(STEPS < 3000, LOSS, 0.0), supervised=False)) == []


def with_origin(loss, told):
    view = view_of(loss)
    return RunView(replace(view.run, texts={tags.NON_FINITE_ORIGIN: told}), view.signals)


ORIGIN = {
    "kind": "forward",
    "module": "blocks.2.mlp",
    "step": 2996,
    "text": "the forward pass of blocks.2.mlp puts out NaN",
}


def test_what_the_hooks_found_out_of_the_origin_is_quoted_first():
    (finding,) = findings(RULE, with_origin(NAN_FROM_3000, json.dumps(ORIGIN)))
    assert finding.layers == ("blocks.2.mlp",)
    first = finding.evidence[0]
    assert (first.text, first.signal, first.step) == (
        "step 2,996: the forward pass of blocks.2.mlp puts out NaN",
        "event/non_finite_origin",
        2996,
    )


def test_an_origin_that_is_no_module_names_no_layer():
    told = {key: value for key, value in ORIGIN.items() if key != "module"}
    (finding,) = findings(RULE, with_origin(NAN_FROM_3000, json.dumps(told)))
    assert finding.layers == ()
    assert "2,996" in finding.evidence[0].text


@pytest.mark.parametrize(
    "told",
    [
        "",
        "null",
        "[1]",
        "{}",
        "not json",
        json.dumps(ORIGIN | {"step": "3000"}),
        json.dumps(ORIGIN | {"step": True}),
        json.dumps(ORIGIN | {"module": 3}),
        json.dumps(ORIGIN | {"text": None}),
        json.dumps(ORIGIN | {"step": 1000}),
        json.dumps(ORIGIN | {"step": 10_000}),
    ],
)
def test_an_origin_of_another_time_or_of_another_make_is_left_out(told):
    (alone,) = findings(RULE, view_of(NAN_FROM_3000))
    (finding,) = findings(RULE, with_origin(NAN_FROM_3000, told))
    assert (finding.layers, finding.evidence[0].text) == ((), alone.evidence[0].text)
