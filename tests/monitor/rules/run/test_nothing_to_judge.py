"""What is missing is said; what can be judged is left alone."""

from __future__ import annotations

import numpy as np
from tests.monitor.rules.views import findings, make_view

from trainvitals.rules.run.nothing_to_judge import NothingToJudge
from trainvitals.signals import Signals

RULE = NothingToJudge()


def summary(columns, signals):
    return [finding.summary for finding in findings(RULE, make_view(columns, signals))]


def points(count, value=None):
    return np.arange(count), np.linspace(2, 1, count) if value is None else np.full(count, value)


def test_an_empty_log_holds_nothing():
    assert summary({}, Signals()) == ["the log holds no scalar value"]


def test_a_placeholder_metric_alone_is_named():
    (text,) = summary({"hp_metric": ([0], [-1.0])}, Signals())
    assert "hp_metric" in text


def test_long_lists_of_tags_are_cut():
    (text,) = summary({f"metric{index}": points(30) for index in range(20)}, Signals())
    assert "metric4 …" in text
    assert "metric5" not in text


def test_a_loss_that_is_zero_throughout_was_not_logged():
    (text,) = summary({"loss": points(100, 0.0)}, Signals(train_loss=("loss",)))
    assert text == "no loss was logged: loss is 0 throughout"


def test_a_constant_loss_of_its_own_level_is_left_to_other_rules():
    assert summary({"loss": points(100, 0.693)}, Signals(train_loss=("loss",))) == []


def test_eleven_points_are_too_short_and_twelve_are_not():
    signals = Signals(train_loss=("loss",))
    (text,) = summary({"loss": points(11)}, signals)
    assert text == "too few points to call the run healthy: 11 of the loss"
    assert summary({"loss": points(12)}, signals) == []


def test_the_longest_loss_counts():
    signals = Signals(train_loss=("loss",), val_loss={"": "val"})
    assert summary({"loss": points(200), "val": points(3)}, signals) == []


def test_points_that_are_not_finite_count_as_points():
    step, _ = points(50)
    assert summary({"loss": (step, np.full(50, np.nan))}, Signals(train_loss=("loss",))) == []


def test_rewards_without_a_loss_are_not_asked_for_one():
    assert summary({"reward": points(50)}, Signals(rewards=("reward",), supervised=False)) == []


def test_it_is_an_information():
    (finding,) = findings(RULE, make_view({}, Signals()))
    assert finding.severity == "info"
    assert finding.evidence
