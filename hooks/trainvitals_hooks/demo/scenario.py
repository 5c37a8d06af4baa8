"""What a scenario is, and the loop that all of them train in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy

from trainvitals_hooks.watcher import watch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Batch = tuple["Tensor", "Tensor"]
Loss = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True, slots=True)
class Training:
    """A model with all that it is trained by.

    Args:
        batch: makes a batch of inputs and targets. held_out: what the model is validated on.
        loss: of the output and the targets; targets of classes also give an accuracy.
        validate_every: steps from one validation to the next.
    """

    model: nn.Module
    optimizer: Optimizer
    batch: Callable[[], Batch]
    held_out: Batch
    scheduler: LRScheduler | None = None
    loss: Loss = cross_entropy
    validate_every: int = 50


@dataclass(frozen=True, slots=True)
class Scenario:
    """A training that goes wrong.

    Args:
        name: of the finding that it shows.
        story: what is wrong with it, in one clause.
        remedy: the intervention that mends it.
        steps: how long it trains.
        build: gives the training. It is handed the code that the remedy proposes, to run it where it can be run as it
            stands and to do what it says where not, or None for the sick run.
    """

    name: str
    story: str
    remedy: str
    steps: int
    build: Callable[[torch.Generator, str | None], Training]


def train(scenario: Scenario, folder: Path, advance: Callable[[], None], *, advice: str | None, seed: int = 0) -> Path:
    """Train with the hooks on, and give the folder of the record.

    Args:
        advance: called after every step.
        advice: the code of the remedy, None for the sick run.
    """
    # The models are so small that threads would only get in each other's way.
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        training = scenario.build(torch.Generator().manual_seed(seed), advice)
        # Steps of less than a millisecond leave no budget; here the record counts, not the pace.
        vitals = watch(training.model, training.optimizer, folder, budget=math.inf, live=False)
        with vitals:
            for step in range(1, scenario.steps + 1):
                inputs, targets = training.batch()
                loss = training.loss(training.model(inputs), targets)
                training.optimizer.zero_grad()
                loss.backward()
                training.optimizer.step()
                if training.scheduler is not None:
                    training.scheduler.step()
                vitals.log(loss=loss)
                if step % training.validate_every == 0:
                    vitals.log_validation(**_validation(training))
                advance()
    return vitals.folder


def _validation(training: Training) -> dict[str, Tensor]:
    inputs, targets = training.held_out
    with torch.no_grad():
        output = training.model(inputs)
    metrics = {"loss": training.loss(output, targets)}
    if not targets.is_floating_point():
        metrics["accuracy"] = (output.argmax(1) == targets).float().mean()
    return metrics
