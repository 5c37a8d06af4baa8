"""Noise that keeps a loss from falling is found, by each signal as surely as it tells; falling losses acquit."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule, tags
from trainvitals.rules.gradients.batch_larger_than_needed import BatchLargerThanNeeded
from trainvitals.rules.gradients.gradient_noise_dominates import GradientNoiseDominates
from trainvitals.rules.gradients.noise_and_batch import noise_and_batch
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

NOISE, BATCH = GradientNoiseDominates(), BatchLargerThanNeeded()
POINTS = 600
STEPS = np.arange(POINTS)
RECORDED = STEPS[::5]
RNG = np.random.default_rng(0)
AT_REST = np.maximum(1.0, 3.0 - STEPS / 100.0) + 0.005 * RNG.standard_normal(POINTS)
FALLING = 3.0 - STEPS / 300.0 + 0.02 * RNG.standard_normal(POINTS)
OPEN = np.full(POINTS, 1e-2)


def view_of(loss=AT_REST, rate=OPEN, **recorded):
    """Signals by their name in ``tags``, recorded every fifth step; the batch has 32 samples."""
    columns = {"loss": (STEPS, loss), "rate": (STEPS, rate), tags.SAMPLES: (RECORDED, 32.0 * RECORDED)}
    for name, value in recorded.items():
        columns[getattr(tags, name)] = (RECORDED, np.broadcast_to(value, len(RECORDED)))
    return make_view(columns, Signals(train_loss=("loss",), learning_rate=("rate",)))


@pytest.mark.parametrize("rule", [GradientNoiseDominates, BatchLargerThanNeeded])
def test_the_rules_keep_the_contract(rule):
    check_rule(rule)


def test_a_measured_scale_beside_a_plateau_is_a_warning():
    (finding,) = findings(NOISE, view_of(GRADIENT_NOISE_SCALE=32.0 * 20))
    assert finding.severity == "warning"
    assert finding.evidence[0].value == pytest.approx(20.0)


@pytest.mark.parametrize(("ratio", "found"), [(4.5, False), (5.5, True)])
def test_the_ratio_is_held_against_five(ratio, found):
    assert bool(findings(NOISE, view_of(GRADIENT_NOISE_SCALE=32.0 * ratio))) is found


def test_a_loss_that_falls_acquits():
    assert findings(NOISE, view_of(FALLING, GRADIENT_NOISE_SCALE=32.0 * 100)) == []


def test_a_rate_that_decayed_deals_with_the_noise():
    decayed = np.linspace(1e-2, 1e-4, POINTS)
    assert findings(NOISE, view_of(rate=decayed, GRADIENT_NOISE_SCALE=32.0 * 100)) == []


def test_cosines_near_zero_are_an_information():
    cosine = 0.02 + 0.3 * np.random.default_rng(1).standard_normal(len(RECORDED))
    (finding,) = findings(NOISE, view_of(GRADIENT_COSINE=cosine))
    assert finding.severity == "info"


def test_the_cosine_of_noisy_gradients_gives_the_ratio_at_least():
    rng = np.random.default_rng(2)
    ratio, size = 4.0, 200
    truth = rng.standard_normal(size)
    gradients = truth + ratio**0.5 * rng.standard_normal((len(RECORDED) + 1, size))
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    noise = noise_and_batch(view_of(GRADIENT_COSINE=np.sum(unit[1:] * unit[:-1], axis=1)))
    assert noise is not None
    assert noise.ratio == pytest.approx(ratio, rel=0.15)
    assert noise.ratio < ratio * 1.02


@pytest.mark.parametrize("cosine", [0.5, -0.8])
def test_gradients_that_agree_or_oppose_each_other_are_no_noise(cosine):
    assert findings(NOISE, view_of(GRADIENT_COSINE=cosine)) == []


def test_the_proxy_is_a_hint():
    (finding,) = findings(NOISE, view_of(GRADIENT_NOISE_SCALE_PROXY=50.0))
    assert (finding.severity, finding.confidence) == ("info", 0.3)


def test_only_a_measured_scale_far_below_the_batch_rules_noise_out():
    measured, proxy = view_of(GRADIENT_NOISE_SCALE=3.2), view_of(GRADIENT_NOISE_SCALE_PROXY=0.1)
    number = NOISE.rule_out(NOISE.measure(measured), NOISE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(0.1)
    assert NOISE.rule_out(NOISE.measure(proxy), NOISE.limits({})) is None


@pytest.mark.parametrize(("ratio", "found"), [(0.18, True), (0.22, False)])
def test_a_batch_many_times_the_scale_is_an_information(ratio, found):
    assert [each.severity for each in findings(BATCH, view_of(GRADIENT_NOISE_SCALE=32.0 * ratio))] == ["info"] * found


def test_a_scale_that_grows_towards_the_batch_needs_it():
    growing = np.linspace(0.0, 32.0, len(RECORDED))
    assert findings(BATCH, view_of(GRADIENT_NOISE_SCALE=growing)) == []


def test_nothing_is_said_of_the_batch_from_a_proxy():
    assert isinstance(BATCH.measure(view_of(GRADIENT_NOISE_SCALE_PROXY=0.01)), NotEnough)


def test_what_is_missing_is_named():
    measured = NOISE.measure(view_of())
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("gradient_noise_scale",)
