"""The sample runs: each function trains one model, with what goes wrong in it, and writes its log into a folder."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from samples.clock import CLOCK
from samples.data import Data, imitation, spirals, text
from samples.network import Adam, Network, cross_entropy
from samples.training import Schedule, Training, accuracy, constant, cosine
from samples.watched import Watched, layers
from samples.writing import write_csv, write_json_lines, write_trainer_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from samples.training import Row


def healthy(folder: Path, rng: np.random.Generator) -> None:
    """A small language model on an invented language; nothing goes wrong."""
    training = _watched_language_model(rng)
    with training.recorded(folder) as vitals:
        training.train(vitals, 0, 2000)


def overfitting(folder: Path, rng: np.random.Generator) -> None:
    """Too large a network learns by heart eighty points of which every fifth is mislabelled."""
    train = spirals(rng, 80, classes=3, turns=0.4, noise=0.25)
    mislabelled = rng.permutation(len(train))[: len(train) // 5]
    train.targets[mislabelled] = (train.targets[mislabelled] + rng.integers(1, 3, len(mislabelled))) % 3
    held_out = spirals(rng, 600, classes=3, turns=0.4, noise=0.25)
    model, optimizer = Network(rng, [2, 128, 128, 3], "relu", gain=1.4), Adam()
    table: list[dict[str, float]] = []
    for epoch in range(300):
        predicted = []
        for batch in np.array_split(rng.permutation(len(train)), 5):
            examples = train.take(batch)
            values = model.outputs(examples.inputs)
            loss, gradient = cross_entropy(values[-1], examples.targets)
            optimizer.step(model.parameters, model.gradients(values, gradient), 1e-3)
            predicted.append((loss, accuracy(values[-1], examples.targets)))
        judged = model.outputs(held_out.inputs)[-1]
        loss, right = np.mean(predicted, axis=0)
        table.append(
            {
                "epoch": epoch,
                "accuracy": float(right),
                "loss": float(loss),
                "val_accuracy": accuracy(judged, held_out.targets),
                "val_loss": cross_entropy(judged, held_out.targets)[0],
            }
        )
    write_csv(folder / "training.csv", table)


def diverging(folder: Path, rng: np.random.Generator) -> None:
    """The learning rate warms up past what the loss surface bears."""
    data = imitation(rng, 4096, width=16, hidden=8, noise=0.1)
    train, held_out = data.take(slice(3584)), data.take(slice(3584, None))
    model = layers(rng, [16, 64, 64, 1], nn.Tanh, gain=1.4)
    optimizer = torch.optim.SGD(model.parameters(), 1.0, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 5e-4 * (step + 1))
    training = Watched(
        model, optimizer, lambda _step: train.batch(rng, 64), held_out, loss=mse_loss, scheduler=scheduler, every=20
    )
    with training.recorded(folder) as vitals:
        training.train(vitals, 0, 1000)


def vanishing_gradients(folder: Path, rng: np.random.Generator) -> None:
    """Nine sigmoid layers, initialised small: hardly any gradient reaches the first of them."""
    train = spirals(rng, 2048, classes=3, turns=0.4, noise=0.1)
    held_out = spirals(rng, 512, classes=3, turns=0.4, noise=0.1)
    model = layers(rng, [2, *[32] * 8, 3], nn.Sigmoid, gain=0.7)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    training = Watched(model, optimizer, lambda _step: train.batch(rng, 64), held_out)
    with training.recorded(folder) as vitals:
        training.train(vitals, 0, 1000)


def learning_rate_exhausted(folder: Path, rng: np.random.Generator) -> None:
    """The schedule was given the number of steps of an earlier, shorter run: it is over long before the training."""
    training = _language_model(rng, cosine(1e-3, 1600), every=10)
    steps = 4000
    history: list[dict[str, float]] = []
    for row in training.run(0, steps):
        if row.step == 0:
            continue
        epoch = 10 * row.step / steps
        history.append(
            {
                "epoch": epoch,
                "grad_norm": row.values["train/grad_norm"],
                "learning_rate": row.values["learning_rate/group0"],
                "loss": row.values["train/loss"],
                "step": row.step,
            }
        )
        if "val/loss" in row.values:
            history.append({"epoch": epoch, "eval_loss": row.values["val/loss"], "step": row.step})
    write_trainer_state(folder / "trainer_state.json", history, steps=steps, epochs=10)


def loss_spikes(folder: Path, rng: np.random.Generator) -> None:
    """Every few hundred steps a batch arrives whose inputs nobody normalised."""
    train = spirals(rng, 4096, classes=3, turns=0.8, noise=0.15)
    held_out = spirals(rng, 512, classes=3, turns=0.8, noise=0.15)
    model = Network(rng, [2, 64, 64, 3], "relu", gain=1.4)
    bad_steps = set((10 * rng.integers(60, 600, 12)).tolist())

    def batches(step: int) -> Data:
        batch = train.batch(rng, 128)
        return Data(25.0 * batch.inputs, batch.targets) if step in bad_steps else batch

    training = Training(model, Adam(), batches=batches, rate=constant(5e-4), validation=held_out)
    table = [
        {"step": row.step} | {_flat(tag): value for tag, value in row.values.items()} for row in training.run(0, 6000)
    ]
    write_json_lines(folder / "metrics.jsonl", table)


def restarted(folder: Path, rng: np.random.Generator) -> None:
    """The job was killed at step 1,200 and went on from the checkpoint of step 1,000."""
    training = _watched_language_model(rng)
    with training.recorded(folder) as vitals:
        training.train(vitals, 0, 1000)
        checkpoint = copy.deepcopy((training.model.state_dict(), training.optimizer.state_dict(), vitals.state_dict()))
        training.train(vitals, 1000, 1200)
    CLOCK.advance(600.0)
    model, optimizer, state = checkpoint
    training.model.load_state_dict(model)
    training.optimizer.load_state_dict(optimizer)
    with training.recorded(folder, state=state) as vitals:
        training.train(vitals, 1000, 2000)


def not_learning(folder: Path, rng: np.random.Generator) -> None:
    """The labels are shuffled apart from the inputs in every batch: there is nothing to learn."""
    train = spirals(rng, 4096, classes=10, turns=0.4, noise=0.05)
    held_out = spirals(rng, 512, classes=10, turns=0.4, noise=0.05)
    model = layers(rng, [2, 32, 32, 10], nn.Tanh, gain=0.5)

    def batches(_step: int) -> Data:
        batch = train.batch(rng, 128)
        return Data(batch.inputs, rng.permutation(batch.targets))

    training = Watched(model, torch.optim.SGD(model.parameters(), 0.005, momentum=0.9), batches, held_out)
    with training.recorded(folder) as vitals:
        training.train(vitals, 0, 1500)


def frozen_midway(folder: Path, rng: np.random.Generator) -> None:
    """From step 1,500 on the optimizer holds a copy of the parameters: the model itself never changes again."""
    training = _language_model(rng, constant(3e-4), every=10, detached_from=1500)
    write_csv(folder / "metrics.csv", [_lightning(row) for row in training.run(0, 5000)])


def too_short(folder: Path, rng: np.random.Generator) -> None:
    """Twelve steps of a run that has only begun."""
    train = spirals(rng, 1024, classes=3, turns=0.8, noise=0.15)
    model = layers(rng, [2, 64, 3], nn.Tanh)
    training = Watched(model, torch.optim.Adam(model.parameters(), 1e-3), lambda _step: train.batch(rng, 64), every=5)
    with training.recorded(folder) as vitals:
        training.train(vitals, 0, 12)


SCENARIOS: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "healthy": healthy,
    "overfitting": overfitting,
    "diverging": diverging,
    "vanishing-gradients": vanishing_gradients,
    "learning-rate-exhausted": learning_rate_exhausted,
    "loss-spikes": loss_spikes,
    "restarted": restarted,
    "not-learning": not_learning,
    "frozen-midway": frozen_midway,
    "too-short": too_short,
}


def _watched_language_model(rng: np.random.Generator) -> Watched:
    """As ``_language_model``, in torch and with the hooks on."""
    data = text(rng, 40_000)
    train, held_out = data.take(slice(36_000)), data.take(slice(36_000, None))
    model = layers(rng, [data.inputs.shape[1], 96, 27], nn.Tanh)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    return Watched(model, optimizer, lambda _step: train.batch(rng, 256), held_out)


def _language_model(
    rng: np.random.Generator, rate: Schedule, *, every: int, detached_from: int | None = None
) -> Training:
    """One hidden layer that predicts the next character of an invented language; a tenth of the text is held out."""
    data = text(rng, 40_000)
    train, held_out = data.take(slice(36_000)), data.take(slice(36_000, None))
    return Training(
        Network(rng, [data.inputs.shape[1], 96, 27], "tanh"),
        Adam(),
        batches=lambda _step: train.batch(rng, 64),
        rate=rate,
        validation=held_out,
        every=every,
        smoothed=True,
        detached_from=detached_from,
    )


def _flat(tag: str) -> str:
    return {"learning_rate/group0": "lr", "val/accuracy": "val_accuracy"}.get(tag, tag.replace("/", "_"))


def _lightning(row: Row) -> dict[str, float]:
    """As Lightning's CSV logger names and orders its columns."""
    return {
        "epoch": row.step // 500,
        "lr-Adam": row.values["learning_rate/group0"],
        "step": row.step,
        "train_loss": row.values["train/loss"],
        **({"val_loss": row.values["val/loss"]} if "val/loss" in row.values else {}),
    }
