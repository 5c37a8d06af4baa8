"""A transformer under Adam whose first steps at the full rate throw it off; nothing else is called so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, RECORDS, SGD, STEPS, noisy, training
from tests.monitor.rules.views import findings, make_view

from trainvitals import check_rule
from trainvitals.model import Severity
from trainvitals.rules.learning_rate.learning_rate_too_high import LearningRateTooHigh
from trainvitals.rules.learning_rate.missing_warmup import MissingWarmup
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import LayerTags, Signals
from trainvitals.view import RunView

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


def with_attention(entropy, **changes):
    """A transformer whose loss falls, with the entropy and the largest logit of its one attention."""
    view = thrown_off(**{"loss": noisy(1.8 + 0.5 * np.exp(-STEPS / 200)), **changes})
    names = {"attention_entropy": entropy, "attention_logit_max": np.where(np.asarray(entropy) < 0.5, 300.0, 5.0)}
    columns = {f"{kind}/blocks.0": (RECORDS, np.broadcast_to(value, RECORDS.shape)) for kind, value in names.items()}
    series = {**view.run.series, **make_view(columns, Signals()).run.series}
    per_layer = {kind: LayerTags(kind, ("blocks.0",), (f"{kind}/blocks.0",)) for kind in names}
    signals = replace(view.signals, per_layer={**view.signals.per_layer, **per_layer})
    return RunView(replace(view.run, series=series), signals)


COLLAPSED = np.where(RECORDS < 20, 2.5, 0.05)


def test_attention_that_collapses_in_the_first_steps_is_harm_though_the_loss_falls():
    (finding,) = findings(RULE, with_attention(COLLAPSED))
    assert finding.severity == "warning"
    assert "attention" in finding.summary
    assert findings(LearningRateTooHigh(), with_attention(COLLAPSED)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"entropy": 2.5},
        {"entropy": np.where(RECORDS < 400, 2.5, 0.05)},
        {"entropy": COLLAPSED, "growth": np.where(RECORDS < 10, 1.0, 1.8)},
        {"entropy": COLLAPSED, "ratio": 0.05},
        {"entropy": COLLAPSED, "settings": SGD},
    ],
    ids=["spread", "later", "norms kept", "small updates", "sgd"],
)
def test_a_collapse_is_blamed_on_the_first_steps_only_where_they_remade_the_weights(changes):
    assert findings(RULE, with_attention(**changes)) == []


def test_after_a_warm_up_the_same_is_a_rate_that_is_too_high():
    view = with_attention(COLLAPSED, rate=np.minimum(1e-3, 1e-5 * (RECORDS + 1)))
    (finding,) = findings(LearningRateTooHigh(), view)
    assert "attention_entropy/blocks.0" in finding.signals
    assert findings(RULE, view) == []


def test_a_loss_that_falls_back_for_good_is_thrown_off_too():
    loss = noisy(np.where(STEPS < 60, np.maximum(2.3 - STEPS / 25, 1.0), 1.6))
    (finding,) = findings(RULE, thrown_off(loss=loss))
    assert any("first tenth of the run, and ends at" in item.text for item in finding.evidence)
    assert findings(RULE, thrown_off(loss=noisy(np.where(STEPS < 60, np.maximum(2.3 - STEPS / 25, 1.0), 1.0)))) == []
