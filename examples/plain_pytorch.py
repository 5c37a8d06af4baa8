"""Plain PyTorch, watched: a small network learns which of two spirals a point lies on, and is diagnosed.

    python examples/plain_pytorch.py [FOLDER]

Needs torch, downloads nothing, takes a few seconds.
"""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor, nn

import trainvitals

STEPS, BATCH, VALIDATE_EVERY = 1500, 64, 50


def spirals(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points ``[count, 2]`` on two arms, and which arm each is on ``[count]``."""
    arm = torch.randint(2, (count,), generator=generator)
    angle = 3 * math.pi * torch.rand(count, generator=generator).sqrt()
    turned = angle + math.pi * arm
    points = torch.stack((turned.cos(), turned.sin()), 1) * angle[:, None] / 10
    return points + 0.03 * torch.randn(count, 2, generator=generator), arm


def main(folder: str | None) -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    held_out = spirals(1000, generator)

    with trainvitals.watch(model, optimizer, folder) as vitals:
        for step in range(STEPS):
            points, arm = spirals(BATCH, generator)
            loss = nn.functional.cross_entropy(model(points), arm)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=loss)
            if step % VALIDATE_EVERY == VALIDATE_EVERY - 1:
                with torch.no_grad():
                    output = model(held_out[0])
                vitals.log_validation(
                    loss=nn.functional.cross_entropy(output, held_out[1]),
                    accuracy=(output.argmax(1) == held_out[1]).float().mean(),
                )

    diagnosis = trainvitals.diagnose(trainvitals.read_run(vitals.folder))
    sys.stdout.write(
        f"{diagnosis.status}, {diagnosis.progress.verdict if diagnosis.progress else 'no progress judged'}\n"
    )
    for finding in diagnosis.findings:
        sys.stdout.write(f"{finding.name} since step {finding.first_step}: {finding.summary}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
