"""A transformer under Adam whose first steps at the full rate throw it off; nothing else is called so."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, SGD, STEPS, training
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.model import Severity
from trainvitals.rules.learning_rate.learning_rate_too_high import LearningRateTooHigh
from trainvitals.rules.learning_rate.missing_warmup import MissingWarmup
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = MissingWarmup()
TRANSFORMER = ("blocks.0.qkv.weight", "blocks.0.up.weight", "head.weight")
LARGE = np.where(RECORDS < 30, 0.4, 0.01)
GROWN = np.where(RECORDS < 10, 1.0, 3.0)


def thrown_off(high=6.0, **changes):
    loss = np.where(STEPS < 20, np.where(STEPS == 0, 2.3, high), FALLING)
    given = {"ratio": LARGE, "growth": GROWN, "loss": loss, "layers": TRANSFORMER, "settings": ADAM}
    return training(**{**given, **changes})


def test_the_rule_keeps_the_contract():
    check_rule(MissingWarmup)


def test_a_transformer_that_begins_at_its_full_rate_and_blows_up_is_a_warning():
    (finding,) = findings(RULE, thrown_off())
    assert (finding.severity, finding.first_step) == (Severity.WARNING, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": SGD},
        {"layers": ("conv1.weight", "conv2.weight", "head.weight")},
        {"rate": np.minimum(1e-3, 1e-5 * (RECORDS + 1))},
        {"ratio": 0.05},
        {"loss": FALLING},
    ],
    ids=["sgd", "no attention", "warmed up", "small updates", "falls"],
)
def test_each_condition_is_needed(changes):
    assert findings(RULE, thrown_off(**changes)) == []


@pytest.mark.parametrize(("high", "found"), [(2.5, False), (2.6, True)])
def test_the_rise_is_held_against_a_tenth(high, found):
    assert bool(findings(RULE, thrown_off(high))) is found


@pytest.mark.parametrize("ratio", [0.4, 1.5])
def test_this_and_a_rate_that_is_too_high_never_stand_side_by_side(ratio):
    view = thrown_off(ratio=np.where(RECORDS < 30, ratio, 0.01))
    found = [*findings(RULE, view), *findings(LearningRateTooHigh(), view)]
    assert [finding.name for finding in found] == ["missing-warmup" if ratio < 1 else "learning-rate-too-high"]


def test_without_updates_it_says_how_to_record_them():
    view = make_view({"loss": (STEPS, FALLING)}, Signals(train_loss=("loss",)))
    missing = RULE.measure(view)
    assert isinstance(missing, NotEnough)
    assert "watch" in missing.how
