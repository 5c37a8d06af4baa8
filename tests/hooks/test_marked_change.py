"""A change made inside a training, and marked there, is judged by what came before it and after."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import trainvitals

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS, CHANGED_AT = 1600, 800


def trained(folder, *, rate_before: float, rate_after: float) -> trainvitals.Diagnosis:
    """A regression whose rate changes half-way."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
    wanted = torch.randn(8, 1, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), rate_before)
    with trainvitals.watch(model, optimizer, folder, budget=math.inf, live=False) as vitals:
        for step in range(STEPS):
            if step == CHANGED_AT:
                for group in optimizer.param_groups:
                    group["lr"] = rate_after
                vitals.event("intervention", name="raise-learning-rate", rate=rate_after)
            x = torch.randn(32, 8, generator=generator)
            loss = (model(x) - (x @ wanted).tanh()).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            vitals.log(loss=loss)
    return trainvitals.diagnose(trainvitals.read_run(vitals.folder))


def test_a_change_that_helps_is_told_to_have_helped(tmp_path):
    (change,) = trained(tmp_path, rate_before=1e-6, rate_after=0.05).changes
    assert change.marker.step == CHANGED_AT - 1  # the step just made
    assert change.marker.details["name"] == "raise-learning-rate"
    found = [each for each in change.findings if each.before is not None and each.before.severity.rank > 0]
    assert found
    assert {each.outcome for each in found} == {"resolved"}
    assert any(verified.held for each in found for verified in each.verified)


def test_a_change_that_changes_nothing_is_told_to_have_changed_nothing(tmp_path):
    (change,) = trained(tmp_path, rate_before=0.05, rate_after=0.05).changes
    assert not {each.outcome for each in change.findings} & {"resolved", "new", "worse", "better"}
