"""Data that is drawn, not downloaded."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


def spirals(count: int, generator: Generator, *, arms: int, turns: float, noise: float) -> tuple[Tensor, Tensor]:
    """Points ``[count, 2]`` on the arms of a spiral, and which arm each is on ``[count]``."""
    arm = torch.randint(arms, (count,), generator=generator)
    radius = (0.02 + 0.98 * torch.rand(count, generator=generator)).sqrt()
    angle = 2 * math.pi * (turns * radius + arm / arms)
    points = 2 * torch.stack((angle.cos(), angle.sin()), 1) * radius[:, None]
    return points + noise * torch.randn(count, 2, generator=generator), arm
