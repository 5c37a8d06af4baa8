"""A constant term in the loss makes every gain a small share of it; the run learns all the same."""

from __future__ import annotations

import numpy as np

from trainvitals import Run, diagnose


def names(gain: float) -> set[str]:
    step = np.arange(400)
    noise = 0.02 * np.random.default_rng(1).standard_normal(400)
    run = Run.from_columns({"step": step, "train_loss": 30.0 + gain * np.exp(-step / 60) + noise})
    return {finding.name for finding in diagnose(run).findings}


def test_a_fall_far_beyond_the_noise_is_learning() -> None:
    assert "not-learning" not in names(0.4)


def test_the_same_loss_without_the_fall_never_learns() -> None:
    assert "not-learning" in names(0.0)
