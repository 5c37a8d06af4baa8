"""The Trainer of Hugging Face, watched: a small GPT learns Python's own manual letter by letter, and is diagnosed.

    python examples/transformers_text.py [FOLDER]

Needs transformers and accelerate; the text comes with Python, nothing is downloaded; takes less than a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

import trainvitals
from trainvitals_hooks.integrations.transformers import VitalsCallback

STEPS, BATCH, CONTEXT, HELD_OUT = 300, 16, 64, 8192


class Pieces(Dataset[dict[str, Tensor]]):
    """Successive pieces of a text ``[T]``, each a row of ``CONTEXT`` letters."""

    def __init__(self, letters: Tensor) -> None:
        self.rows = letters[: len(letters) // CONTEXT * CONTEXT].reshape(-1, CONTEXT)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


def main(folder: str | None) -> None:
    set_seed(0)
    text = "\n".join(topics[name] for name in sorted(topics))
    alphabet = sorted(set(text))
    number_of = {letter: number for number, letter in enumerate(alphabet)}
    letters = torch.tensor([number_of[letter] for letter in text])
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(alphabet), n_positions=CONTEXT, n_embd=64, n_layer=2, n_head=4, use_cache=False)
    )
    vitals = VitalsCallback(folder)
    trainer = Trainer(
        model,
        TrainingArguments(
            output_dir=str(Path(folder or "runs") / "checkpoints"),
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=128,
            learning_rate=3e-3,
            lr_scheduler_type="cosine",
            warmup_steps=20,
            eval_strategy="steps",
            eval_steps=50,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Pieces(letters[HELD_OUT:]),
        eval_dataset=Pieces(letters[:HELD_OUT]),
        callbacks=[vitals],
    )
    trainer.train()

    assert vitals.folder is not None
    diagnosis = trainvitals.diagnose(trainvitals.read_run(vitals.folder))
    sys.stdout.write(
        f"{diagnosis.status}, {diagnosis.progress.verdict if diagnosis.progress else 'no progress judged'}\n"
    )
    for finding in diagnosis.findings:
        sys.stdout.write(f"{finding.name} since step {finding.first_step}: {finding.summary}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
