"""Several processes, watched: a network whose layers are sharded over them learns which of two spirals a point lies on.

    torchrun --standalone --nproc-per-node 2 examples/several_processes.py [FOLDER]

All processes call ``watch`` and ``log``; rank 0 writes. With ``DistributedDataParallel(model)`` in place of
``fully_shard`` nothing else changes. Needs torch, downloads nothing, takes some seconds.
"""

from __future__ import annotations

import math
import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard

import trainvitals

STEPS, BATCH = 200, 64


def spirals(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points ``[count, 2]`` on two arms, and which arm each is on ``[count]``."""
    arm = torch.randint(2, (count,), generator=generator)
    angle = 3 * math.pi * torch.rand(count, generator=generator).sqrt()
    turned = angle + math.pi * arm
    points = torch.stack((turned.cos(), turned.sin()), 1) * angle[:, None] / 10
    return points + 0.03 * torch.randn(count, 2, generator=generator), arm


def main(folder: str | None) -> None:
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    for layer in (model[0], model[2], model[4]):
        fully_shard(layer)
    fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    # Every process draws points of its own.
    generator = torch.Generator().manual_seed(dist.get_rank())

    # After the process group is set up, and closed before it is torn down.
    with trainvitals.watch(model, optimizer, folder) as vitals:
        for _ in range(STEPS):
            points, arm = spirals(BATCH, generator)
            loss = nn.functional.cross_entropy(model(points), arm)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=loss)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
