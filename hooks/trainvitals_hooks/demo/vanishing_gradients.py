"""Sigmoid layers in a row, each of which passes on at most a quarter of the gradient."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from trainvitals_hooks.demo.data import spirals
from trainvitals_hooks.demo.scenario import Batch, Scenario, Training

WIDTH, DEPTH, ARMS = 32, 8, 3


class _Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, WIDTH)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sigmoid()) for _ in range(DEPTH))
        self.last = nn.Linear(WIDTH, ARMS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def _build(generator: Generator, advice: str | None) -> Training:
    model = _Deep()
    if advice is not None:
        exec(advice, {"torch": torch, "model": model, "width": WIDTH})

    def batch(count: int = 64) -> Batch:
        return spirals(count, generator, arms=ARMS, turns=0.4, noise=0.3)

    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    return Training(model, optimizer, batch, held_out=batch(512))


SCENARIO = Scenario(
    name="vanishing-gradients",
    story=f"{DEPTH} sigmoid layers, each of which passes on at most a quarter of the gradient",
    remedy="residual-connections",
    steps=1500,
    build=_build,
)
