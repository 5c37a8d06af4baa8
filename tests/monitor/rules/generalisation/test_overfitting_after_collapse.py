"""A collapse of training and validation together is no overfitting, even if training regains some of it."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals import Run
from trainvitals.rules.generalisation import suite_turn
from trainvitals.rules.generalisation.overfitting import Overfitting
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import understand
from trainvitals.view import RunView


def findings() -> list[str]:
    step = np.arange(2000.0)
    before = 0.05 + 2 * np.exp(-step / 200)
    after = 2 + np.exp(-(step - 1000) / 150)
    noise = 1 + 0.02 * np.random.default_rng(0).standard_normal((2, 2000))
    train, val = np.where(step < 1000, before, after) * noise
    val[step >= 1000] = 3.0 * noise[1, step >= 1000]
    every = step % 40 != 39
    run = Run.from_columns({"step": step, "train_loss": train, "val_loss": np.where(every, np.nan, val)})
    measured = Overfitting().measure(RunView(run, understand(run)))
    assert not isinstance(measured, NotEnough)
    return [finding.severity.value for finding in Overfitting().judge(measured, Overfitting().limits({}))]


def test_a_shared_collapse_is_not_overfitting() -> None:
    assert findings() == []


def test_it_is_the_level_before_the_collapse_that_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite_turn, "_level_until", lambda train, points: np.inf)
    assert findings() == ["warning"]
