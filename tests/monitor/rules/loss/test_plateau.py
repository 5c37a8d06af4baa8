"""Plateau: a warning where something stopped the descent, an information where it ended by itself or looks flat."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.monitor.progress.curves import STEP, Curve, cosine_rate, exponential, frozen, noise, power_law
from tests.monitor.rules.views import findings, make_view

from trainvitals.contract import check_rule
from trainvitals.model import Severity
from trainvitals.rules.loss.plateau import Plateau
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals


def found(train: Curve | None, val: Curve | None = None, rate: Curve | None = None, **settings: float):
    """What the rule finds in a run with these curves."""
    columns = {"loss": train, "val_loss": val, "lr": rate}
    signals = Signals(
        train_loss=("loss",) if train is not None else (),
        val_loss={"": "val_loss"} if val is not None else {},
        learning_rate=("lr",) if rate is not None else (),
    )
    view = make_view({tag: curve for tag, curve in columns.items() if curve is not None}, signals)
    return findings(Plateau(), view, **settings)


def severity(found_findings):
    return [finding.severity for finding in found_findings]


def test_the_rule_keeps_the_contract():
    check_rule(Plateau)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_still_improves_is_not_mentioned(seed):
    assert found(power_law(seed=seed)) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_descent_that_broke_off_is_a_warning_with_its_step_and_its_price(seed):
    (finding,) = found(frozen(200, seed=seed))
    assert finding.severity is Severity.WARNING
    assert abs(finding.first_step - STEP[200]) <= 0.05 * STEP[-1]
    assert "broke off" in finding.summary
    gain, price = finding.evidence
    assert gain.value < gain.threshold
    assert price.value == pytest.approx(20 * (STEP[200] ** -0.4 - STEP[-1] ** -0.4), rel=0.5)


def test_a_loss_that_repeats_one_value_is_a_warning_dated_to_the_step():
    step, loss = power_law(sd=0.05)
    loss[300:] = loss[300]
    (finding,) = found((step, loss))
    assert finding.severity is Severity.WARNING
    assert finding.first_step == STEP[300]
    assert "last digit" in finding.summary


def test_a_run_that_has_converged_is_an_information():
    (finding,) = found(exponential(sd=0.0003, constant=2500.0))
    assert finding.severity is Severity.INFO
    assert "smoothly" in finding.summary


def test_a_schedule_that_has_ended_is_an_information_that_names_it():
    step, rate = cosine_rate()
    held = np.arange(400) >= 300
    loss = np.where(held, 2.3, power_law(sd=0.05)[1])
    (finding,) = found((step, loss), rate=(step, np.where(held, 0.0, rate)))
    assert finding.severity is Severity.INFO


def test_a_validation_loss_at_rest_is_an_information_while_the_training_loss_improves():
    (finding,) = found(power_law(), frozen(200, sd=0.001))
    assert finding.severity is Severity.INFO
    assert any(item.signal == "loss" and "still improves" in item.text for item in finding.evidence)
    assert finding.evidence[0].signal == "val_loss"


def test_a_stopped_training_loss_is_reported_though_the_validation_loss_is_too_short_to_tell():
    step, loss = frozen(200)
    (finding,) = found((step, loss), (step[::100], loss[::100]))
    assert finding.severity is Severity.WARNING
    assert finding.evidence[0].signal == "loss"


def test_a_loss_flat_throughout_is_an_information_for_another_rule_to_judge():
    (finding,) = found((STEP, 0.69 + noise(0.001, 6)))
    assert finding.severity is Severity.INFO
    assert "throughout" in finding.summary


def test_a_loss_that_only_looks_flat_says_what_noise_would_hide():
    (finding,) = found((STEP, 0.4 + 20 * np.exp(-STEP / 800) + noise(0.1, 1)))
    assert finding.severity is Severity.INFO
    assert finding.confidence < 0.8
    assert "noise would hide" in finding.summary


def test_a_loss_that_is_only_coming_back_says_so():
    hump = 0.2 * np.exp(-(((STEP - 16_000) / 6000) ** 2))
    (finding,) = found((STEP, 0.3 + np.exp(-STEP / 500) + hump + 5e-7 * (40_000 - STEP) + noise(0.001, 7)))
    assert finding.severity is Severity.INFO
    assert "come back" in finding.summary


def epochs(at_the_end, seed=0):
    """Thirty epochs of a training loss that falls, and of a noisy validation loss that stands still after the third."""
    epoch = np.arange(1, 31)
    random = np.random.default_rng(seed)
    train = at_the_end + (0.3 - at_the_end) * np.exp(-epoch / 9) + random.normal(0, 0.0005, 30)
    return (epoch, train), (epoch, 0.25 + 0.15 * np.exp(-epoch) + random.normal(0, 0.005, 30))


def test_a_validation_loss_that_wins_nothing_while_the_training_loss_halves_is_named():
    (finding,) = found(*epochs(at_the_end=0.03))
    assert finding.severity is Severity.INFO
    assert finding.first_step <= 10
    assert "val_loss has won nothing" in finding.summary
    assert "memorised" in finding.summary
    assert "more-regularisation" in finding.to_try


def test_a_training_loss_that_falls_by_less_has_not_memorised():
    assert found(*epochs(at_the_end=0.2)) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_loss_that_gets_much_worse_is_not_said_to_look_flat(seed):
    epoch = np.arange(16)
    level = 0.05 + 0.8 * np.exp(-epoch) + 0.015 * np.maximum(0, epoch - 10)
    assert found((epoch, level * np.exp(np.random.default_rng(seed).normal(0, 0.25, 16)))) == []


def test_the_price_that_matters_can_be_set():
    assert severity(found(frozen(200))) == [Severity.WARNING]
    assert severity(found(frozen(200), smallest_missing_share=0.5)) == [Severity.INFO]


def test_how_long_a_run_may_rest_can_be_set():
    assert severity(found(frozen(200), shortest_flat_share=0.9)) == [Severity.INFO]


def test_reinforcement_learning_is_not_judged():
    view = SimpleNamespace(signals=Signals(supervised=False))
    assert Plateau().measure(view) == NotEnough()


def test_a_run_without_a_loss_is_told_how_to_log_one():
    missing = Plateau().measure(make_view({}, Signals()))
    assert isinstance(missing, NotEnough)
    assert missing.missing == ("train_loss",)


@pytest.mark.parametrize(("points", "likelihood"), [(11, "likely"), (60, "very likely")])
def test_a_plateau_in_a_handful_of_points_is_no_more_than_likely(points, likelihood):
    step = np.arange(points)
    (finding,) = found((step, 0.36 + 0.0003 * np.cos(2.0 * step)))
    assert (finding.severity, finding.likelihood) == (Severity.INFO, likelihood)
