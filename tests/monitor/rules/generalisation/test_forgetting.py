"""forgetting: one suite lost while another is won; overfitting of all, noise and the stability gap are not."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view

from trainvitals import Run, check_rule, diagnose, tags
from trainvitals.rules.generalisation.forgetting import Forgetting
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = Forgetting()
STEPS = np.arange(50, 2001, 50)
SHARE = STEPS / 2000
FALLING = 0.3 + 1.5 * np.exp(-4 * SHARE)
RISING = 1.2 + 0.4 * SHARE
FLAT = np.full(len(STEPS), 1.2)


def noisy(values, seed, relative=0.01):
    return values * np.exp(relative * np.random.default_rng(seed).standard_normal(len(values)))


def view_of(new, old, names=("", "before"), relative=0.01):
    columns = {"new": (STEPS, noisy(new, 1, relative)), "old": (STEPS, noisy(old, 2, relative))}
    return make_view(columns, Signals(val_loss=dict(zip(names, ("new", "old"), strict=True))))


def test_the_rule_keeps_the_contract():
    check_rule(Forgetting)


@pytest.mark.parametrize("order", [1, -1])
def test_a_suite_that_rises_while_the_other_falls_is_a_warning(order):
    curves = (FALLING, RISING)[::order]
    (finding,) = findings(RULE, view_of(*curves))
    assert finding.severity == "warning"
    assert finding.first_step <= 300
    assert finding.signals == {"new", "old"}


def test_forgetting_that_begins_later_is_dated():
    old = 1.2 - 0.2 * SHARE + np.where(SHARE > 0.5, 1.0 * (SHARE - 0.5), 0.0)
    (finding,) = findings(RULE, view_of(FALLING, old))
    assert finding.first_step == pytest.approx(1000, abs=150)


GAP = 1.2 + 0.5 * np.exp(-(((SHARE - 0.15) / 0.07) ** 2))


@pytest.mark.parametrize(
    ("new", "old"),
    [(FALLING, FLAT), (FALLING, FALLING), (RISING, RISING), (FLAT, RISING), (FALLING, GAP)],
    ids=["kept", "both won", "both lost", "nothing won", "stability gap"],
)
def test_what_is_no_forgetting_is_silent(new, old):
    assert findings(RULE, view_of(new, old)) == []


def test_a_probe_of_training_examples_is_no_suite_beside_which_something_is_forgotten():
    assert isinstance(RULE.measure(view_of(FALLING, RISING, names=("probe", "test"))), NotEnough)


@pytest.mark.parametrize(("rise", "found"), [(0.01, 0), (0.04, 1)])
def test_the_limit_is_a_fiftieth_of_the_level(rise, found):
    old = 1.0 + rise * np.clip(SHARE * 2, 0, 1)
    assert len(findings(RULE, view_of(FALLING, old, relative=0.001))) == found


def test_noise_hides_a_small_rise():
    assert findings(RULE, view_of(FALLING, 1.0 + 0.04 * SHARE, relative=0.05)) == []


def test_one_suite_is_nothing_to_compare():
    assert isinstance(RULE.measure(make_view({"val": (STEPS, RISING)}, Signals(val_loss={"": "val"}))), NotEnough)


def test_it_takes_in_the_overfitting_that_the_same_rise_looks_like():
    train = np.arange(0, 2000, 5)
    columns = {
        tags.TRAIN_LOSS: (train, noisy(0.3 + 1.5 * np.exp(-train / 500), 3)),
        tags.VALIDATION_LOSS: (STEPS, noisy(FALLING, 1)),
        tags.validation_loss("before"): (STEPS, noisy(RISING, 2)),
    }
    series = make_view(columns, Signals()).run.series
    diagnosis = diagnose(Run(id="r", path="", name="r", format="test", series=series))
    alarms = {finding.name for finding in diagnosis.findings if finding.severity != "info"}
    assert alarms == {"forgetting"}
