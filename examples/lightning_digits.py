"""Lightning, watched: a small convolutional network learns to read digits, and is diagnosed.

    python examples/lightning_digits.py [FOLDER]

Needs lightning and scikit-learn, which brings the digits; downloads nothing, takes less than a minute.
"""

from __future__ import annotations

import sys

import lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainvitals
from trainvitals_hooks.integrations.lightning import VitalsCallback

EPOCHS, BATCH, HELD_OUT = 12, 32, 360


class DigitReader(lightning.LightningModule):
    """Gray pictures ``[N, 1, 8, 8]`` in, scores for the ten digits out ``[N, 10]``."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 10)),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        scores: Tensor = self.network(pictures)
        return scores

    def training_step(self, batch: list[Tensor]) -> Tensor:
        pictures, digits = batch
        return nn.functional.cross_entropy(self(pictures), digits)

    def validation_step(self, batch: list[Tensor]) -> None:
        pictures, digits = batch
        scores = self(pictures)
        self.log("val_loss", nn.functional.cross_entropy(scores, digits))
        self.log("val_accuracy", (scores.argmax(1) == digits).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main(folder: str | None) -> None:
    lightning.seed_everything(0, verbose=False)
    data = load_digits()
    pictures = torch.tensor(data.images, dtype=torch.float32)[:, None] / 8 - 1
    digits = torch.tensor(data.target)
    seen = DataLoader(TensorDataset(pictures[HELD_OUT:], digits[HELD_OUT:]), BATCH, shuffle=True)
    held_out = DataLoader(TensorDataset(pictures[:HELD_OUT], digits[:HELD_OUT]), HELD_OUT)

    vitals = VitalsCallback(folder)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[vitals],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(DigitReader(), seen, held_out)

    assert vitals.folder is not None
    diagnosis = trainvitals.diagnose(trainvitals.read_run(vitals.folder))
    sys.stdout.write(
        f"{diagnosis.status}, {diagnosis.progress.verdict if diagnosis.progress else 'no progress judged'}\n"
    )
    for finding in diagnosis.findings:
        sys.stdout.write(f"{finding.name} since step {finding.first_step}: {finding.summary}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
