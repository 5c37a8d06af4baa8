"""An optimizer that was made for another copy of the model, so that this one never changes."""

from __future__ import annotations

import copy

import torch
from torch import Generator, nn

from trainvitals_hooks.demo.data import spirals
from trainvitals_hooks.demo.scenario import Batch, Scenario, Training

ARMS = 5


def _build(generator: Generator, advice: str | None) -> Training:
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, ARMS))
    owned = copy.deepcopy(model) if advice is None else model

    def batch(count: int = 64) -> Batch:
        return spirals(count, generator, arms=ARMS, turns=0.8, noise=0.15)

    return Training(model, torch.optim.Adam(owned.parameters(), 1e-3), batch, batch(512))


SCENARIO = Scenario(
    name="parameters-not-updated",
    story="an optimizer that was made for another copy of the model",
    remedy="check-wiring",
    steps=1500,
    build=_build,
)
