"""A warm-up of the learning rate that leads past what the loss surface bears."""

from __future__ import annotations

import torch
from torch import Generator, nn
from torch.nn.functional import mse_loss

from trainvitals_hooks.demo.scenario import Batch, Scenario, Training

FEATURES, PEAK, WARM_UP_STEPS, NOISE = 16, 1.3, 600, 0.1


def _build(generator: Generator, advice: str | None) -> Training:
    teacher = nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, 1)).requires_grad_(False)
    model = nn.Sequential(nn.Linear(FEATURES, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))

    def batch(count: int = 64) -> Batch:
        inputs = torch.randn(count, FEATURES, generator=generator)
        return inputs, teacher(inputs) + NOISE * torch.randn(count, 1, generator=generator)

    optimizer = torch.optim.SGD(model.parameters(), PEAK)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP_STEPS))
    if advice is not None:
        exec(advice, {"optimizer": optimizer, "scheduler": scheduler})
    return Training(model, optimizer, batch, batch(512), scheduler, loss=mse_loss)


SCENARIO = Scenario(
    name="non-finite-loss",
    story="a learning rate that warms up past what the loss surface bears",
    remedy="lower-learning-rate",
    steps=1200,
    build=_build,
)
