"""Runs whose loss means nothing are named as such, others are not."""

from __future__ import annotations

from tests.monitor.rules.views import findings, make_view

from trainvitals.rules.run.not_a_supervised_loss import NotASupervisedLoss
from trainvitals.signals import Signals

RULE = NotASupervisedLoss()
COLUMNS = {"Losses/Policy Loss": (range(5), [0.1] * 5), "Reward": (range(5), range(5))}


def test_reinforcement_learning_is_named_with_its_reason():
    signals = Signals(
        train_loss=("Losses/Policy Loss",),
        rewards=("Reward",),
        supervised=False,
        why_not_supervised="it has rewards: Reward",
    )
    (finding,) = findings(RULE, make_view(COLUMNS, signals))
    assert finding.severity == "info"
    assert "it has rewards: Reward" in finding.summary
    assert {"Reward", "Losses/Policy Loss"} == finding.signals


def test_a_supervised_run_is_left_alone():
    assert findings(RULE, make_view(COLUMNS, Signals(train_loss=("Losses/Policy Loss",)))) == []
