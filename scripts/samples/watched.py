"""Trainings with the hooks on: small torch models, watched as ``trainvitals.watch`` watches any other."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from samples.clock import CLOCK
from trainvitals_hooks import Vitals, watch
from trainvitals_hooks.probes.memory import Memory
from trainvitals_hooks.probes.registry import STANDARD

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from samples.data import Data

STEP_TIME_S = 0.04
DATA_TIME_S = 0.002
SIGNALS = [kind.name for kind in STANDARD if kind is not Memory]
"""The memory of the process is the only signal that is not of the training."""
_EVENT_FILE = re.compile(r"(events\.out\.tfevents\.\d+)\..*")


@dataclass
class Watched:
    """A torch model, what it is trained by, and how often it is recorded.

    Args:
        batches: step to batch. held_out: validated every ``validate_every`` steps.
        every: steps from one full record to the next; the loss is kept of each.
    """

    model: nn.Module
    optimizer: Optimizer
    batches: Callable[[int], Data]
    held_out: Data | None = None
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy
    scheduler: LRScheduler | None = None
    every: int = 50
    validate_every: int = 50

    @contextmanager
    def recorded(self, folder: Path, *, state: Mapping[str, Any] | None = None) -> Iterator[Vitals]:
        """Watch into this folder, going on from the ``state`` of an earlier recording."""
        with redirect_stderr(io.StringIO()):
            vitals = watch(
                *(self.model, self.optimizer, folder),
                every=self.every, signals=SIGNALS, budget=math.inf, live=False, resume=bool(state),
            )  # fmt: skip
            with vitals:
                if state:
                    vitals.load_state_dict(state)
                yield vitals
        for path in folder.glob("*tfevents*"):
            # The name of an event file ends with the machine and the process.
            path.rename(path.with_name(_EVENT_FILE.sub(r"\1.sample.1.0", path.name)))

    def train(self, vitals: Vitals, first: int, last: int) -> None:
        """Train from step ``first`` up to, not including, ``last``."""
        for step in range(first, last):
            inputs, targets = tensors(self.batches(step))
            loss = self.loss(self.model(inputs), targets)
            CLOCK.advance(STEP_TIME_S - DATA_TIME_S)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
            vitals.log(loss=loss)
            CLOCK.advance(DATA_TIME_S)
            if self.held_out is not None and step % self.validate_every == self.validate_every - 1:
                vitals.log_validation(**self._validation(*tensors(self.held_out)))

    def _validation(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            output = self.model(inputs)
        metrics = {"loss": self.loss(output, targets)}
        if not targets.is_floating_point():
            metrics["accuracy"] = (output.argmax(1) == targets).float().mean()
        return metrics


def tensors(data: Data) -> tuple[Tensor, Tensor]:
    """The inputs as float32, the targets as classes or as float32."""
    targets = torch.from_numpy(data.targets)
    return torch.from_numpy(data.inputs).float(), targets if data.targets.ndim == 1 else targets.float()


def layers(rng: np.random.Generator, sizes: list[int], activation: type[nn.Module], *, gain: float = 1.0) -> nn.Module:
    """Linear layers with an activation between them; normal weights of ``gain / sqrt(inputs)``, biases of zero."""
    modules: list[nn.Module] = []
    for inside, outside in pairwise(sizes):
        linear = nn.Linear(inside, outside)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(gain / math.sqrt(inside) * rng.standard_normal((outside, inside))))
            linear.bias.zero_()
        modules += [linear, activation()]
    return nn.Sequential(*modules[:-1])
