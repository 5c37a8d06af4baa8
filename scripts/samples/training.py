"""The training loop, and what it records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from samples.network import Adam, Array, Network, cross_entropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from samples.data import Data

Schedule = Callable[[int], float]
Batches = Callable[[int], "Data"]


@dataclass
class Row:
    """What was recorded at one step."""

    step: int
    values: dict[str, float]


@dataclass
class Training:
    """A model, its optimizer, and where the data and the learning rate come from.

    Args:
        batches: step to batch. rate: step to learning rate.
        validation: held-out examples. every: steps from one record to the next; val_every: of validation.
        smoothed: record the mean loss since the last record, not of one batch.
        detached_from: from this step on the optimizer updates a copy of the parameters.
    """

    network: Network
    optimizer: Adam
    batches: Batches
    rate: Schedule
    validation: Data | None = None
    every: int = 10
    val_every: int = 100
    smoothed: bool = False
    detached_from: int | None = None
    recent: list[float] = field(default_factory=list)
    copied: list[Array] = field(default_factory=list)

    def run(self, first: int, last: int) -> list[Row]:
        """Train from step ``first`` up to, not including, ``last``, and give what was recorded."""
        rows = []
        for step in range(first, last):
            values = self._step(step)
            if step % self.every == 0:
                if self.validation is not None and step % self.val_every == 0:
                    values.update(self.validate())
                rows.append(Row(step, values))
                self.recent.clear()
        return rows

    def validate(self) -> dict[str, float]:
        """Loss and accuracy on the held-out examples."""
        assert self.validation is not None
        predicted = self.network.outputs(self.validation.inputs)[-1]
        return {
            "val/loss": cross_entropy(predicted, self.validation.targets)[0],
            "val/accuracy": accuracy(predicted, self.validation.targets),
        }

    def _step(self, step: int) -> dict[str, float]:
        batch = self.batches(step)
        activations = self.network.outputs(batch.inputs)
        loss, output_gradient = cross_entropy(activations[-1], batch.targets)
        gradients = self.network.gradients(activations, output_gradient)
        rate = self.rate(step)
        if step == self.detached_from:
            self.copied = [array.copy() for array in self.network.parameters]
        self.optimizer.step(self.copied or self.network.parameters, gradients, rate)
        self.recent.append(loss)
        return {
            "train/loss": float(np.mean(self.recent)) if self.smoothed else loss,
            "train/grad_norm": float(np.sqrt(sum(float(np.sum(gradient**2)) for gradient in gradients))),
            "learning_rate/group0": rate,
        }


def accuracy(predicted: Array, labels: NDArray[np.int64] | Array) -> float:
    """Share of the examples whose largest output is the right one."""
    return float(np.mean(predicted.argmax(axis=1) == labels))


def constant(rate: float) -> Schedule:
    """The same learning rate at every step."""
    return lambda _step: rate


def cosine(peak: float, steps: int) -> Schedule:
    """Half a cosine from ``peak`` to zero over ``steps``, and zero ever after."""
    return lambda step: peak * 0.5 * (1.0 + float(np.cos(np.pi * min(step, steps) / steps)))
