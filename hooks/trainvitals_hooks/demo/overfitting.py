"""A large network learns by heart a few points, of which every fifth has a wrong label."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from trainvitals_hooks.demo.data import spirals
from trainvitals_hooks.demo.scenario import Batch, Scenario, Training

FEW, MORE, ARMS, WRONG_SHARE = 80, 4000, 3, 0.2


def _build(generator: Generator, advice: str | None) -> Training:
    held_out = _points(600, generator)
    inputs, targets = _mislabelled(FEW if advice is None else MORE, generator)
    model = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, ARMS))

    def batch() -> Batch:
        chosen = torch.randint(len(inputs), (16,), generator=generator)
        return inputs[chosen], targets[chosen]

    return Training(model, torch.optim.Adam(model.parameters(), 1e-3), batch, held_out, validate_every=20)


def _points(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    return spirals(count, generator, arms=ARMS, turns=0.4, noise=0.25)


def _mislabelled(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    inputs, targets = _points(count, generator)
    wrong = torch.randperm(count, generator=generator)[: round(WRONG_SHARE * count)]
    targets[wrong] = (targets[wrong] + torch.randint(1, ARMS, (len(wrong),), generator=generator)) % ARMS
    return inputs, targets


SCENARIO = Scenario(
    name="overfitting",
    story=f"a large network sees only {FEW} points, every fifth of them with a wrong label",
    remedy="more-data",
    steps=2000,
    build=_build,
)
