"""A schedule that was made for a shorter training: it is over when a quarter of this one is."""

from __future__ import annotations

import math

import torch
from torch import Generator, nn

from trainvitals_hooks.demo.data import spirals
from trainvitals_hooks.demo.scenario import Batch, Scenario, Training

STEPS, STEPS_BEFORE, ARMS = 2000, 500, 5


def _build(generator: Generator, advice: str | None) -> Training:
    length = STEPS_BEFORE if advice is None else STEPS
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, ARMS))
    optimizer = torch.optim.Adam(model.parameters(), 3e-4)

    def share_of_peak(step: int) -> float:
        return 0.5 + 0.5 * math.cos(math.pi * min(step, length) / length)

    def batch(count: int = 64) -> Batch:
        return spirals(count, generator, arms=ARMS, turns=0.8, noise=0.15)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share_of_peak)
    return Training(model, optimizer, batch, batch(512), scheduler)


SCENARIO = Scenario(
    name="learning-rate-exhausted",
    story=f"a schedule made for {STEPS_BEFORE} steps in a training of {STEPS:,}",
    remedy="extend-schedule",
    steps=STEPS,
    build=_build,
)
