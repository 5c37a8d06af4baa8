"""One training of the exam, recorded twice: through the hooks, and as a plain log of loss, validation loss and rate."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from benchmarks.exam.data import DATA, Data
from benchmarks.exam.networks import NETWORKS
from torch import Generator, Tensor, nn

from trainvitals_hooks import watch

if TYPE_CHECKING:
    from benchmarks.exam.faults import Fault

WATCH_EVERY = 10
WATCHED_FOLDER, PLAIN_FILE = "watched", "plain.csv"
GRADIENT_CLIP_NORM = 1.0


@dataclass(frozen=True)
class Settings:
    """A training without a fault.

    Args:
        examples: size of the training set; None: every batch is fresh.
        validate_every: steps from one validation to the next.
        log_every: steps from one row of the plain log to the next. log_mean: rows hold the mean since the last row.
        frozen: beginnings of the names of parameters that are not trained, on purpose.
        pretrained_steps: trained so long on the neighbouring task before the recording begins.
        halves: autocast to bfloat16.
    """

    data: str
    network: str
    learning_rate: float
    steps: int
    batch: int = 32
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    schedule: str = "constant"
    warmup_steps: int = 0
    cycles: int = 3
    clip: bool = False
    clip_norm: float = GRADIENT_CLIP_NORM
    examples: int | None = None
    validation_examples: int | None = None
    validate_every: int = 50
    log_every: int = 10
    log_mean: bool = False
    frozen: tuple[str, ...] = ()
    pretrained_steps: int = 0
    halves: bool = False
    data_options: dict[str, Any] = field(default_factory=dict)
    network_options: dict[str, Any] = field(default_factory=dict)


class Training:
    """A training under way; faults reach into it.

    Attributes:
        step: the one being made. onset: at which the fault sets in; 0 where it is there from the start.
        rate_factor: of the learning rate; a fault may change it.
    """

    def __init__(self, settings: Settings, fault: Fault | None, seed: int) -> None:
        torch.manual_seed(seed)
        self.settings = fault.settings(settings) if fault and fault.settings else settings
        self.generator = Generator().manual_seed(seed)
        self.memory: list[Any] = []
        self.step, self.rate_factor, self.makes_updates, self.zeroes_gradients = 0, 1.0, True, True
        self.onset = fault.onset_step(self.settings.steps, seed) if fault else 0
        self.data = _make_data(self.settings, self.generator)
        self.network = _make_network(self.settings, self.data, self.generator)
        self.suites: dict[str, tuple[Tensor, Tensor]] = {"": self.data.validation}
        if self.settings.pretrained_steps:
            self._pretrain()
        if fault and fault.prepare:
            fault.prepare(self)
        self.optimizer = self.make_optimizer()
        if fault and fault.wire:
            fault.wire(self)

    def make_optimizer(self) -> torch.optim.Optimizer:
        for name, parameter in self.network.named_parameters():
            if name.startswith(self.settings.frozen) and self.settings.frozen:
                parameter.requires_grad_(False)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        if self.settings.optimizer == "sgd":
            return torch.optim.SGD(trained, rate, momentum=0.9, weight_decay=decay)
        if self.settings.optimizer == "plain_sgd":
            return torch.optim.SGD(trained, rate, weight_decay=decay)
        return torch.optim.AdamW(trained, rate, weight_decay=decay, eps=self.settings.epsilon)

    def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.halves):
            output = self.network(x)
        return self.data.loss(output.float(), y)

    def validate(self) -> dict[str, float]:
        """Loss of each suite."""
        modes = {module: module.training for module in self.network.modules()}
        self.network.eval()
        with torch.no_grad():
            found = {name: self.loss_of(x, y).item() for name, (x, y) in self.suites.items()}
        for module, mode in modes.items():
            module.training = mode
        return found

    def rate(self) -> float:
        """Learning rate of the step being made."""
        return self.settings.learning_rate * self.rate_factor * schedule_factor(self.settings, self.step)

    def _pretrain(self) -> None:
        """On the neighbouring task, so that fine-tuning begins from a good start."""
        neighbour = DATA[self.settings.data](Generator().manual_seed(99), **self.settings.data_options)
        optimizer = torch.optim.AdamW(self.network.parameters(), 3e-3)
        for _ in range(self.settings.pretrained_steps):
            optimizer.zero_grad()
            self.loss_of(*neighbour.batch(64, self.generator)).backward()
            optimizer.step()


def record(settings: Settings, fault: Fault | None, seed: int, folder: Path) -> tuple[int, int]:
    """Train, record under ``folder``, and give the step at which the fault set in and the number of steps."""
    training = Training(settings, fault, seed)
    settings = training.settings
    rows: list[dict[str, float]] = []
    window: list[float] = []
    with watch(
        training.network,
        training.optimizer,
        folder / WATCHED_FOLDER,
        every=WATCH_EVERY,
        signals="full",
        budget=math.inf,
        live=False,
    ) as vitals:
        for training.step in range(settings.steps):
            loss = make_step(training, fault, vitals.clip_grad_norm_)
            vitals.log(loss=loss, samples=settings.batch)
            window.append(loss.item())
            row: dict[str, float] = {}
            if training.step % settings.log_every == 0:
                row = {"train_loss": statistics.fmean(window) if settings.log_mean else window[-1]}
                row["learning_rate"] = training.rate()
                window.clear()
            if training.step % settings.validate_every == settings.validate_every - 1:
                for suite, value in training.validate().items():
                    vitals.log_validation(suite, loss=value)
                    row[f"val_loss_{suite}" if suite else "val_loss"] = value
            if row:
                rows.append({"step": training.step, **row})
    _write_plain(folder / PLAIN_FILE, rows)
    return training.onset, settings.steps


def make_step(training: Training, fault: Fault | None, clip: Callable[..., object]) -> Tensor:
    """One step, with the fault if it has set in; the loss, detached.

    Args:
        clip: called with the parameters and the largest norm, in a training that clips.
    """
    if fault and fault.before and training.step >= training.onset:
        fault.before(training)
    for group in training.optimizer.param_groups:
        group["lr"] = training.rate() * group.get("rate_factor", 1.0)
    x, y = training.data.batch(training.settings.batch, training.generator)
    if fault and fault.batch and training.step >= training.onset:
        x, y = fault.batch(training, x, y)
    loss = training.loss_of(x, y)
    if fault and fault.loss and training.step >= training.onset:
        loss = fault.loss(training, loss, x, y)
    if training.zeroes_gradients:
        training.optimizer.zero_grad()
    loss.backward()
    if training.settings.clip:
        clip(training.network.parameters(), training.settings.clip_norm)
    if training.makes_updates:
        training.optimizer.step()
    return loss.detach()


def schedule_factor(settings: Settings, step: int) -> float:
    """What the schedule makes of the learning rate at this step."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    match settings.schedule:
        case "cosine":
            return 0.5 + 0.5 * math.cos(math.pi * progress)
        case "linear":
            return 1 - progress
        case "steps":
            return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
        case "restarts":
            return 0.5 + 0.5 * math.cos(math.pi * (progress * settings.cycles % 1.0))
        case "stable_then_decay":
            return min(1.0, (1 - progress) / 0.2)
        case "inverse_root":
            return math.sqrt(max(settings.warmup_steps, 1) / (step + 1))
        case _:
            return 1.0


def _make_data(settings: Settings, generator: Generator) -> Data:
    data = DATA[settings.data](generator, **settings.data_options)
    if settings.examples:
        data = data.finite(settings.examples, generator)
    if settings.validation_examples:
        data.validation = tuple(part[: settings.validation_examples] for part in data.validation)
    return data


def _make_network(settings: Settings, data: Data, generator: Generator) -> nn.Module:
    x, _ = data.draw(2, generator)
    return NETWORKS[settings.network](x.shape[-1], data.outputs, **settings.network_options)


def _write_plain(path: Path, rows: list[dict[str, float]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: f"{value:.7g}" for name, value in row.items()} for row in rows)
