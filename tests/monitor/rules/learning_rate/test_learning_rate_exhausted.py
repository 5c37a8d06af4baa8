"""A rate that ran out too early is a warning; a schedule that ends, a floor, a step recipe or a restart is not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals.rules.learning_rate.learning_rate_exhausted import LearningRateExhausted
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.synth.faults import sick_run
from trainvitals.synth.healthy import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = LearningRateExhausted()
SIGNALS = Signals(train_loss=("loss",), learning_rate=("rate",))
SYNTHETIC = Signals(train_loss=("train/loss",), learning_rate=("learning_rate/group0",))
STEPS = np.arange(0, 10_000, 10)
SHARE = STEPS / STEPS[-1]


def frozen_from(share, noise=0.02, seed=0):
    """A loss that falls until ``share`` of the run and then stands still."""
    level = 1.5 + 3.0 * (1.0 + 100.0 * np.minimum(SHARE, share)) ** -0.4
    return level * np.exp(noise * np.random.default_rng(seed).standard_normal(len(STEPS)))


def cosine_until(share, floor=0.0):
    way = np.minimum(SHARE / share, 1.0)
    return 1e-3 * (floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * way)))


def judged(rate, loss=None, **settings):
    columns = {"rate": (STEPS, rate)} | ({} if loss is None else {"loss": (STEPS, loss)})
    signals = SIGNALS if loss is not None else Signals(learning_rate=("rate",))
    return [
        (finding.severity.value, finding.first_step)
        for finding in findings(RULE, make_view(columns, signals), **settings)
    ]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_schedule_shorter_than_the_run_is_a_warning_at_its_end(share):
    ((severity, step),) = judged(cosine_until(share), frozen_from(share))
    assert severity == "warning"
    assert step == pytest.approx(share * STEPS[-1], abs=0.02 * STEPS[-1])


@pytest.mark.parametrize("onset", [0.3, 0.5, 0.7])
def test_a_synthetic_rate_that_drops_to_zero_is_dated_exactly(onset):
    synthetic = sick_run("learning-rate-exhausted", onset=onset)
    (finding,) = findings(RULE, RunView(synthetic.run, SYNTHETIC))
    assert finding.severity == "warning"
    assert finding.first_step == pytest.approx(synthetic.truth.onset_step, abs=10)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_healthy_synthetic_run_is_warned(shape):
    found = findings(RULE, RunView(healthy_run(shape).run, SYNTHETIC))
    assert [finding.severity for finding in found if finding.severity != "info"] == []


def test_a_schedule_that_ends_with_the_run_is_an_information():
    assert [severity for severity, _ in judged(cosine_until(1.0), frozen_from(1.0))] == ["info"]


def test_a_floor_of_a_tenth_is_nothing():
    assert judged(cosine_until(0.5, floor=0.11), frozen_from(0.5)) == []


def test_three_tenfold_drops_are_a_recipe():
    rate = 0.1 * 0.1 ** np.floor(np.minimum(SHARE * 4, 3.999))
    assert [severity for severity, _ in judged(rate, frozen_from(0.75))] == ["info"]


def test_a_step_of_the_schedule_that_the_loss_went_on_falling_after_is_a_stage():
    rate = np.where(SHARE < 0.4, 1e-2, 9e-4)
    assert judged(rate, frozen_from(1.0) - 0.3 * (SHARE >= 0.4)) == []
    assert [severity for severity, _ in judged(rate, frozen_from(0.2))] == ["info"]


@pytest.mark.parametrize(("records", "expected"), [(1, []), (2, ["info"])])
def test_one_low_record_at_the_end_is_no_tail(records, expected):
    rate = np.linspace(1e-3, 2e-4, len(STEPS))
    rate[-records:] = 9e-5
    assert [severity for severity, _ in judged(rate, frozen_from(1.0))] == expected


def test_biases_that_start_high_do_not_make_the_others_look_run_out():
    decay = 0.01 * (1 - 0.85 * SHARE)
    warm_up = np.minimum(1.0, SHARE / 0.1)
    columns = {"loss": (STEPS, frozen_from(1.0)), "bias": (STEPS, decay * (10 - 9 * warm_up))}
    columns |= dict.fromkeys(("norm", "weight"), (STEPS, decay * warm_up))
    signals = Signals(train_loss=("loss",), learning_rate=("bias", "norm", "weight"))
    assert findings(RULE, make_view(columns, signals)) == []


def test_a_loss_that_was_flat_before_is_not_blamed_on_the_rate():
    assert [severity for severity, _ in judged(cosine_until(0.7), frozen_from(0.2))] == ["info"]


def test_a_loss_that_still_falls_is_moved_by_something_else():
    assert judged(cosine_until(0.5), frozen_from(1.0, noise=0.001)) == []


def test_without_a_loss_it_is_an_information():
    assert [severity for severity, _ in judged(cosine_until(0.5))] == ["info"]


def test_a_rate_that_comes_back_has_not_run_out():
    restarts = 1e-3 * 0.5 * (1 + np.cos(np.pi * ((SHARE * 2.5) % 1.0)))
    assert judged(restarts, frozen_from(1.0)) == []


@pytest.mark.parametrize(("share", "severity"), [(0.78, "warning"), (0.82, "info")])
def test_a_fifth_of_the_run_must_be_left(share, severity):
    rate = np.where(share > SHARE, 1e-3, 0.0)
    ((found, _),) = judged(rate, frozen_from(share, noise=0.001))
    assert found == severity


def test_the_share_can_be_set():
    rate = np.where(SHARE < 0.7, 1e-3, 0.0)
    assert [severity for severity, _ in judged(rate, frozen_from(0.7), smallest_share_ahead=0.5)] == ["info"]


def test_a_run_without_a_rate_says_how_to_log_it():
    measured = RULE.measure(make_view({"loss": (STEPS, frozen_from(1.0))}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("learning_rate",)
    assert measured.how


def test_a_rate_of_zero_throughout_has_no_peak_to_compare_with():
    assert judged(np.zeros(len(STEPS)), frozen_from(0.5)) == []
