"""Overfitting is found and dated; a gap, noise, a saw-tooth, a lucky minimum or a foreign row is not overfitting."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals.model import Run
from trainvitals.rules.generalisation.overfitting import Overfitting
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Metric, Signals
from trainvitals.synth.faults import sick_run
from trainvitals.synth.healthy import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = Overfitting()
SIGNALS = Signals(train_loss=("train",), val_loss={"": "val"})
SYNTHETIC = Signals(train_loss=("train/loss",), val_loss={"": "val/loss"})
TRAIN_STEPS = np.arange(10, 10_001, 10)
VAL_STEPS = np.arange(200, 10_001, 200)


def falling(step, floor=0.1):
    return floor + 2.0 * np.exp(-np.asarray(step) / 1500.0)


def valley(step, rise, best=3000, floor=0.5):
    return falling(step, floor) + rise * np.clip(np.asarray(step) - best, 0, None) / 7000.0


def noisy(values, relative, seed=0):
    return values * np.exp(relative * np.random.default_rng(seed).standard_normal(len(values)))


def view_of(val, train=None, signals=SIGNALS, val_steps=VAL_STEPS, **more):
    train_curve = (TRAIN_STEPS, noisy(falling(TRAIN_STEPS), 0.1, seed=1)) if train is None else train
    return make_view({"train": train_curve, "val": (val_steps, val), **more}, signals)


def synthetic_view(run: Run) -> RunView:
    return RunView(run, SYNTHETIC)


@pytest.mark.parametrize("seed", range(5))
def test_a_rising_validation_loss_is_a_warning_dated_at_its_best(seed):
    (finding,) = findings(RULE, view_of(noisy(valley(VAL_STEPS, 0.4), 0.03, seed)))
    assert finding.severity == "warning"
    assert finding.first_step == pytest.approx(4700, abs=1200)
    assert {"train", "val"} <= finding.signals


@pytest.mark.parametrize("onset", [0.3, 0.5, 0.7])
def test_synthetic_overfitting_is_dated_within_a_block(onset):
    synthetic = sick_run("overfitting", onset=onset)
    (finding,) = findings(RULE, synthetic_view(synthetic.run))
    assert finding.severity == "warning"
    assert finding.first_step == pytest.approx(synthetic.truth.onset_step, abs=0.05 * 4000)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_no_healthy_synthetic_run_is_called_overfitted(shape, noise):
    for seed in range(3):
        assert findings(RULE, synthetic_view(healthy_run(shape, noise=noise, seed=seed).run)) == []


def test_a_few_points_suffice_where_the_rise_is_overwhelming():
    val_steps = np.arange(1000, 9000, 1000)
    val = np.array([0.60, 0.40, 0.42, 0.50, 0.57, 0.66, 0.74, 0.83])
    assert severities(RULE, view_of(val, val_steps=val_steps)) == ["warning"]


def test_a_gap_that_stays_is_not_overfitting():
    assert findings(RULE, view_of(noisy(falling(VAL_STEPS, floor=1.5), 0.03))) == []


def test_validation_below_training_is_not_overfitting():
    assert findings(RULE, view_of(noisy(falling(VAL_STEPS, floor=0.05), 0.03))) == []


@pytest.mark.parametrize("seed", range(10))
def test_noise_around_a_flat_validation_loss_is_not_overfitting(seed):
    assert findings(RULE, view_of(noisy(falling(VAL_STEPS, floor=0.5), 0.15, seed))) == []


def test_one_lucky_minimum_is_not_a_best():
    val = noisy(falling(VAL_STEPS, floor=0.5), 0.02)
    val[12] = 0.2
    assert findings(RULE, view_of(val)) == []


def test_a_saw_tooth_that_ends_high_is_not_a_turn():
    val = falling(VAL_STEPS, floor=0.5) + 0.2 * ((VAL_STEPS / 2400.0) % 1.0)
    assert findings(RULE, view_of(val)) == []


def test_a_spike_at_the_end_is_not_a_turn():
    val = noisy(falling(VAL_STEPS, floor=0.5), 0.02)
    val[-1] = 3.0
    assert findings(RULE, view_of(val)) == []


def test_a_final_row_on_harder_data_is_not_a_turn():
    val = np.append(noisy(falling(VAL_STEPS, floor=0.5), 0.02), 4.0)
    assert findings(RULE, view_of(val, val_steps=np.append(VAL_STEPS, 10_001))) == []


def test_one_low_value_at_the_end_does_not_hide_a_turn():
    val = noisy(valley(VAL_STEPS, 0.6), 0.02)
    val[-1] = 0.4
    assert severities(RULE, view_of(val)) == ["warning"]


def test_training_that_gets_worse_too_is_another_matter():
    train = (TRAIN_STEPS, noisy(valley(TRAIN_STEPS, 0.8, floor=0.1), 0.05))
    assert findings(RULE, view_of(noisy(valley(VAL_STEPS, 0.4), 0.02), train)) == []


def test_a_train_loss_that_is_flat_counts_but_is_less_sure():
    flat = (TRAIN_STEPS, noisy(falling(np.minimum(TRAIN_STEPS, 3000)), 0.05))
    val = noisy(valley(VAL_STEPS, 0.4), 0.02)
    (less_sure,), (sure,) = findings(RULE, view_of(val, flat)), findings(RULE, view_of(val))
    assert less_sure.severity == sure.severity == "warning"
    assert less_sure.confidence < sure.confidence


@pytest.mark.parametrize(("smallest_rise", "found"), [(0.2, True), (0.5, False)])
def test_the_rise_is_held_against_its_limit(smallest_rise, found):
    view = view_of(valley(VAL_STEPS, 0.4))
    assert bool(findings(RULE, view, smallest_rise=smallest_rise)) is found


def test_a_loss_that_is_not_positive_is_judged_by_the_share_of_the_gain_lost():
    train = (TRAIN_STEPS, noisy(falling(TRAIN_STEPS), 0.01) - 1.0)
    lost_much = noisy(valley(VAL_STEPS, 1.0), 0.01) - 1.0
    lost_little = noisy(valley(VAL_STEPS, 0.15), 0.01) - 1.0
    assert severities(RULE, view_of(lost_much, train)) == ["warning"]
    assert findings(RULE, view_of(lost_little, train)) == []


def test_rising_accuracy_makes_it_a_matter_of_confidence():
    accuracy = 0.9 - 0.3 * np.exp(-VAL_STEPS / 4000.0)
    signals = Signals(
        train_loss=("train",), val_loss={"": "val"}, metrics=(Metric("accuracy", better="up", split="val"),)
    )
    view = view_of(noisy(valley(VAL_STEPS, 0.4), 0.02), signals=signals, accuracy=(VAL_STEPS, accuracy))
    (finding,) = findings(RULE, view)
    assert finding.severity == "info"
    assert "confidence, not accuracy" in finding.summary


@pytest.mark.parametrize(("gain", "severity"), [(0.002, "warning"), (0.02, "info")])
def test_an_accuracy_that_hardly_rises_excuses_nothing(gain, severity):
    signals = Signals(
        train_loss=("train",), val_loss={"": "val"}, metrics=(Metric("accuracy", better="up", split="val"),)
    )
    accuracy = 0.8 - 0.3 * np.exp(-VAL_STEPS / 500.0) + gain * VAL_STEPS / 4000.0
    view = view_of(noisy(valley(VAL_STEPS, 0.4), 0.02), signals=signals, accuracy=(VAL_STEPS, accuracy))
    assert severities(RULE, view) == [severity]


@pytest.mark.parametrize("until", [0.1, 0.3, 1.0])
def test_a_best_within_the_first_blocks_of_a_long_run_is_found_and_stays_found(until):
    train_steps, val_steps = np.arange(0, 40_000, 10), np.arange(50, 40_000, 50)
    val = noisy(0.5 + falling(val_steps / 0.3, 0.0) + 0.6 * (1 - np.exp(-((val_steps / 1500.0) ** 2))), 0.02)
    train_steps, val = train_steps[: int(until * len(train_steps))], val[: int(until * len(val))]
    train = (train_steps, noisy(0.02 + falling(train_steps / 0.5, 0.0), 0.1, seed=1))
    (finding,) = findings(RULE, view_of(val, train, val_steps=val_steps[: len(val)]))
    assert finding.severity == "warning"
    assert finding.first_step < 2000


def test_noise_has_no_best_within_the_first_blocks():
    steps = np.arange(50, 40_000, 50)
    for seed in range(20):
        assert findings(RULE, view_of(noisy(falling(steps / 3, 0.5), 0.15, seed), val_steps=steps)) == []


def with_rate(val, rate):
    signals = Signals(train_loss=("train",), val_loss={"": "val"}, learning_rate=("rate",))
    return view_of(val, signals=signals, rate=(VAL_STEPS, rate))


def test_a_loss_that_a_warm_restart_raised_is_judged_when_the_rate_is_down_again():
    cycle = (VAL_STEPS % 5200) / 5200.0
    rate = 0.5 + 0.5 * np.cos(np.pi * cycle)
    restarted = noisy(falling(VAL_STEPS, 0.5) + np.where(VAL_STEPS > 5200, 0.6 * rate, 0.0), 0.01)
    early = VAL_STEPS <= 6400
    shown = with_rate(restarted, rate)
    assert findings(RULE, shown) == []
    steps = {"val_steps": VAL_STEPS[early]}
    signals = Signals(train_loss=("train",), val_loss={"": "val"}, learning_rate=("rate",))
    train = (TRAIN_STEPS[TRAIN_STEPS <= 6400], falling(TRAIN_STEPS[TRAIN_STEPS <= 6400]))
    columns = {"rate": (VAL_STEPS[early], rate[early])}
    assert findings(RULE, view_of(restarted[early], train, signals=signals, **steps, **columns)) == []
    constant = {"rate": (VAL_STEPS[early], np.ones(int(early.sum())))}
    assert findings(RULE, view_of(restarted[early], train, signals=signals, **steps, **constant)) != []


def test_a_warm_up_is_no_restart():
    assert severities(RULE, with_rate(noisy(valley(VAL_STEPS, 0.6), 0.02), np.minimum(VAL_STEPS / 8000, 1.0))) == [
        "warning"
    ]


def late_generalisation():
    hump = np.clip((VAL_STEPS - 800) / 2700.0, 0, 1) - np.clip((VAL_STEPS - 3500) / 6500.0, 0, 1) * 0.1
    return noisy(0.5 + 1.5 * np.exp(-VAL_STEPS / 300.0) + 2.0 * hump, 0.01)


def test_a_loss_that_falls_again_for_longer_than_it_rose_is_an_information():
    (finding,) = findings(RULE, with_rate(late_generalisation(), np.ones(len(VAL_STEPS))))
    assert finding.severity == "info"
    assert "falls again since step" in finding.summary


@pytest.mark.parametrize("rate", [np.linspace(1.0, 0.1, len(VAL_STEPS)), None])
def test_a_loss_that_falls_again_because_the_rate_does_or_may_is_still_a_warning(rate):
    view = view_of(late_generalisation()) if rate is None else with_rate(late_generalisation(), rate)
    assert severities(RULE, view) == ["warning"]


def test_falling_accuracy_confirms_it():
    signals = Signals(
        train_loss=("train",), val_loss={"": "val"}, metrics=(Metric("accuracy", better="up", split="val"),)
    )
    accuracy = 0.9 - 0.1 * VAL_STEPS / 10_000.0
    view = view_of(noisy(valley(VAL_STEPS, 0.4), 0.02), signals=signals, accuracy=(VAL_STEPS, accuracy))
    assert severities(RULE, view) == ["warning"]


def suites_view(*rises):
    signals = Signals(train_loss=("train",), val_loss={f"s{index}": f"val{index}" for index in range(len(rises))})
    columns = {
        f"val{index}": (VAL_STEPS, noisy(valley(VAL_STEPS, rise), 0.02, seed=index)) for index, rise in enumerate(rises)
    }
    train = (TRAIN_STEPS, noisy(falling(TRAIN_STEPS), 0.1, seed=1))
    return make_view({"train": train, **columns}, signals)


@pytest.mark.parametrize(
    ("rises", "severity"),
    [((0.4, 0.0, 0.0), "warning"), ((0.0, 0.4, 0.4), "warning"), ((0.0, 0.0, 0.4), "info")],
)
def test_the_first_suite_or_half_of_them_make_a_warning(rises, severity):
    (finding,) = findings(RULE, suites_view(*rises))
    assert finding.severity == severity


def test_validation_by_epoch_and_training_by_iteration_are_aligned():
    epochs = np.arange(50)
    assert severities(RULE, view_of(noisy(valley(VAL_STEPS, 0.4), 0.02), val_steps=epochs)) == ["warning"]


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"train": (TRAIN_STEPS, falling(TRAIN_STEPS))}, Signals(train_loss=("train",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("val_loss",)


def test_losses_of_reinforcement_learning_are_not_its_business():
    signals = Signals(train_loss=("train",), val_loss={"": "val"}, supervised=False)
    assert RULE.measure(view_of(valley(VAL_STEPS, 0.4), signals=signals)) == NotEnough()
