"""Activations near the end of float16 are found; other formats and layers in float32 are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.numerics.low_precision_overflow import LowPrecisionOverflow
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.view import RunView

RULE = LowPrecisionOverflow()
STEPS = 10 * np.arange(50)
LAYERS = layer_tags("activation_abs_max", 3)


def view_of(*largest, dtype="float16", scale=None):
    columns = {tag: (STEPS, np.broadcast_to(value, 50)) for tag, value in zip(LAYERS.tags, largest, strict=False)}
    if scale is not None:
        columns[tags.LOSS_SCALE] = (STEPS, np.full(50, scale))
    signals = Signals(per_layer={"activation_abs_max": LAYERS} if largest else {})
    return RunView(replace(make_view(columns, signals).run, hyper_parameters={"dtype": dtype}), signals)


def test_the_rule_keeps_the_contract():
    check_rule(LowPrecisionOverflow)


def test_a_layer_that_grows_towards_the_end_of_the_range_is_named_and_dated():
    growing = np.geomspace(1.0, 60000.0, 50)
    (finding,) = findings(RULE, view_of(10.0, growing, 10.0))
    assert (finding.severity, finding.layers) == ("warning", ("layer1",))
    assert finding.first_step == STEPS[growing >= np.median(growing[-3:]) / 2][0]


@pytest.mark.parametrize(("largest", "found"), [(32000.0, False), (33000.0, True)])
def test_the_limit_is_half_of_the_range(largest, found):
    assert bool(findings(RULE, view_of(1.0, largest, 1.0))) is found


def test_a_loss_scale_tells_of_float16_too():
    assert findings(RULE, view_of(1.0, 5e4, 1.0, dtype="float32", scale=65536.0)) != []


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_wider_formats_are_not_judged(dtype):
    assert RULE.measure(view_of(1.0, 5e4, 1.0, dtype=dtype)) == NotEnough()


def test_what_float16_cannot_hold_is_not_held_in_it():
    assert findings(RULE, view_of(1.0, 1e6, 1.0)) == []


def test_one_extreme_example_is_an_accident():
    assert findings(RULE, view_of(1.0, np.where(STEPS == 490, 6e4, 1.0), 1.0)) == []


def test_room_to_grow_rules_it_out():
    number = RULE.rule_out(RULE.measure(view_of(1.0, 655.04, 1.0)), RULE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(0.01)


def test_what_is_missing_is_named():
    measured = RULE.measure(view_of())
    assert isinstance(measured, NotEnough)
    assert measured.missing
