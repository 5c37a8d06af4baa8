"""Accelerate, watched by a tracker: a recurrent network reads digits row by row, and is diagnosed.

    python examples/accelerate_digits.py [FOLDER]

Needs accelerate and scikit-learn, which brings the digits; downloads nothing, takes less than a minute.
"""

from __future__ import annotations

import sys

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainvitals
from trainvitals_hooks.integrations.accelerate import VitalsTracker

EPOCHS, BATCH, HELD_OUT = 15, 32, 360


class RowReader(nn.Module):
    """Rows of gray values ``[N, 8, 8]`` in, scores for the ten digits out ``[N, 10]``."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.GRU(8, 64, batch_first=True)
        self.scores = nn.Linear(64, 10)

    def forward(self, rows: Tensor) -> Tensor:
        _, last = self.memory(rows)
        scores: Tensor = self.scores(last[-1])
        return scores


def main(folder: str | None) -> None:
    set_seed(0)
    data = load_digits()
    pictures, digits = torch.tensor(data.images, dtype=torch.float32) / 8 - 1, torch.tensor(data.target)
    seen = DataLoader(TensorDataset(pictures[HELD_OUT:], digits[HELD_OUT:]), BATCH, shuffle=True)

    tracker = VitalsTracker(folder)
    accelerator = Accelerator(cpu=True, log_with=tracker)
    model = RowReader()
    model, optimizer, loader = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=3e-3), seen)
    accelerator.init_trackers("digits", {"batch": BATCH})
    tracker.watch(model, optimizer)

    for epoch in range(EPOCHS):
        for rows, truth in loader:
            loss = nn.functional.cross_entropy(model(rows), truth)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            accelerator.log({"train_loss": loss, "epoch": epoch})
        model.eval()
        with torch.no_grad():
            scores = model(pictures[:HELD_OUT])
        model.train()
        accelerator.log({"val_loss": nn.functional.cross_entropy(scores, digits[:HELD_OUT])})
    accelerator.end_training()

    assert tracker.folder is not None
    diagnosis = trainvitals.diagnose(trainvitals.read_run(tracker.folder))
    sys.stdout.write(
        f"{diagnosis.status}, {diagnosis.progress.verdict if diagnosis.progress else 'no progress judged'}\n"
    )
    for finding in diagnosis.findings:
        sys.stdout.write(f"{finding.name} since step {finding.first_step}: {finding.summary}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
