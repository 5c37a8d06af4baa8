"""A loss that a few written decimals round to zero has been learnt, not lost."""

from __future__ import annotations

import numpy as np
import pytest

from trainvitals import Run, diagnose


def losses(decimals: int | None) -> np.ndarray:
    """Comes down to about 0.0008, and ends slightly lower."""
    step = np.arange(400)
    loss = (0.0008 + np.exp(-step / 20)) * np.exp(0.02 * np.random.default_rng(0).standard_normal(400))
    loss[-4:] = 0.00042
    return loss if decimals is None else np.round(loss, decimals)


@pytest.mark.parametrize("decimals", [None, 4, 3])
def test_a_loss_that_rounds_to_zero_raises_no_alarm(decimals: int | None) -> None:
    diagnosis = diagnose(Run.from_columns({"step": np.arange(400), "train_loss": losses(decimals)}))
    assert [finding.name for finding in diagnosis.findings if finding.severity != "info"] == []


def test_a_loss_that_turns_to_zero_in_one_step_is_still_named() -> None:
    loss = 1.0 + 2.0 / np.sqrt(1.0 + np.arange(400))
    loss[300:] = 0.0
    diagnosis = diagnose(Run.from_columns({"step": np.arange(400), "train_loss": loss}))
    assert "non-finite-loss" in [finding.name for finding in diagnosis.findings]
