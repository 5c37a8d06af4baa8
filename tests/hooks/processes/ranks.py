"""A small training of two processes: what each rank trains, whole or in shards, and on which examples."""

from __future__ import annotations

import math
import time

from tests.hooks.training import batches
from torch import nn

STEPS = 6


def uneven():
    """Layers that two ranks cannot share evenly: of the last one, one rank gets nothing."""
    return nn.Sequential(nn.Linear(12, 41), nn.Tanh(), nn.Linear(41, 3), nn.Tanh(), nn.Linear(3, 1))


def local_batches(rank, count=STEPS):
    for x, y in batches(count):
        yield x[rank::2], y[rank::2].float()[:, None]


def norm(tensor):
    return math.sqrt(tensor.detach().double().square().sum().item())


def squared_error(model, x, y):
    return nn.functional.mse_loss(model(x), y)


def sharded(model):
    from torch.distributed.fsdp import fully_shard

    for layer in (model[0], model[2], model[4]):
        fully_shard(layer)
    return fully_shard(model)


def whole(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def train(model, optimizer, vitals, rank, *, steps=STEPS, step_s=0.0, poison_at=None):
    for number, (x, y) in enumerate(local_batches(rank, steps)):
        loss = squared_error(model, x, y)
        if number == poison_at:
            loss = loss * math.nan
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if vitals is not None:
            vitals.log(loss=loss)
        time.sleep(step_s)
