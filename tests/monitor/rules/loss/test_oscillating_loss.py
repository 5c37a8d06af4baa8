"""A swing every few steps is found and dated; noise, the edge of stability and slow waves are not warned of."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.loss.oscillating_loss import OscillatingLoss
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = OscillatingLoss()
POINTS = 1000
STEPS = np.arange(POINTS)
NOISE = 0.05 * np.random.default_rng(0).standard_normal(POINTS)
AT_REST = 1.0 + NOISE
FALLING = 3.0 - STEPS / 500.0 + NOISE


def view_of(loss, cosine=None, steps=STEPS):
    columns = {"loss": (steps, loss)}
    if cosine is not None:
        columns[tags.GRADIENT_COSINE] = (STEPS[::10], np.full(POINTS // 10, cosine))
    return make_view(columns, Signals(train_loss=("loss",)))


def swing(size, period=2, since=0):
    return np.where(since <= STEPS, size * np.cos(2 * np.pi * STEPS / period), 0.0)


def test_the_rule_keeps_the_contract():
    check_rule(OscillatingLoss)


@pytest.mark.parametrize("period", [2, 4, 6, 10])
def test_a_swing_of_a_few_steps_is_a_warning(period):
    (finding,) = findings(RULE, view_of(AT_REST + swing(0.3, period)))
    assert finding.severity == "warning"
    assert f"every {period} steps" in finding.summary


def test_it_is_dated_to_the_block_in_which_it_begins():
    (finding,) = findings(RULE, view_of(AT_REST + swing(0.3, since=500)))
    assert finding.first_step == pytest.approx(500, abs=100)


@pytest.mark.parametrize("seed", range(10))
def test_noise_of_any_size_does_not_swing(seed):
    assert findings(RULE, view_of(1.0 + 0.3 * np.random.default_rng(seed).standard_normal(POINTS))) == []


@pytest.mark.parametrize(("size", "found"), [(0.02, False), (0.12, True)])
def test_a_swing_must_be_large_beside_the_loss(size, found):
    assert bool(findings(RULE, view_of(1.0 + NOISE / 10 + swing(size)))) is found


def test_a_swing_under_a_falling_loss_is_an_information():
    assert severities(RULE, view_of(FALLING + swing(0.3))) == ["info"]


def test_a_swing_that_grows_is_a_warning_even_then():
    assert severities(RULE, view_of(FALLING + 0.1 * swing(1.0) * np.exp(STEPS / 500.0))) == ["warning"]


def test_a_swing_that_has_died_down_is_over():
    assert findings(RULE, view_of(AT_REST + np.where(STEPS < 700, swing(0.5), 0.0))) == []


def test_a_wave_of_many_steps_has_other_reasons():
    assert findings(RULE, view_of(AT_REST + swing(0.3, period=40))) == []


@pytest.mark.parametrize(("cosine", "found"), [(-0.8, True), (0.1, False)])
def test_gradients_that_agree_acquit_a_swing_of_two_steps(cosine, found):
    assert bool(findings(RULE, view_of(AT_REST + swing(0.3), cosine))) is found


def test_noise_rules_it_out():
    assert RULE.rule_out(RULE.measure(view_of(AT_REST)), RULE.limits({})) is not None
    assert RULE.rule_out(RULE.measure(view_of(AT_REST + swing(0.3))), RULE.limits({})) is None


@pytest.mark.parametrize("view", [view_of(AT_REST, steps=10 * STEPS), view_of(AT_REST[:90], steps=STEPS[:90])])
def test_the_loss_of_every_step_is_needed(view):
    measured = RULE.measure(view)
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("train_loss of every step",)


def test_the_strength_may_be_set_below_its_default():
    view = view_of(AT_REST + swing(0.045))
    strength = RULE.measure(view).strength
    assert 0.2 < strength < 0.4
    assert findings(RULE, view, smallest_amplitude=0.01) == []
    assert findings(RULE, view, smallest_amplitude=0.01, smallest_strength=strength - 0.01)
