"""A synthetic run before it becomes a ``Run``: what a training loop would have recorded, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainvitals import tags
from trainvitals.model import Restart, Run, Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals.synth.curves import Array

STEP_TIME_S = 0.25
START_TIME_S = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What is wrong with a synthetic run.

    Args:
        expected: names of the findings that must be there; none at warning or above where it is empty.
        onset_step: from which step on; None where nothing is wrong.
    """

    expected: tuple[str, ...] = ()
    onset_step: int | None = None


@dataclass(frozen=True, slots=True)
class SyntheticRun:
    """A run and the truth about it."""

    run: Run
    truth: Truth


@dataclass(frozen=True, slots=True)
class Recording:
    """The arrays of one training; every fault turns one recording into another.

    Args:
        step: ``[T]`` at which something was recorded.
        learning_rate: ``[T]``.
        train_loss: ``[T]``.
        val_step, val_loss: ``[V]``.
        grad_norm, weight_norm, update_ratio: ``[T, L]`` by layer, input side first.
        restarts: where recording began again.
    """

    step: NDArray[np.int64]
    learning_rate: Array
    train_loss: Array
    val_step: NDArray[np.int64]
    val_loss: Array
    grad_norm: Array
    weight_norm: Array
    update_ratio: Array
    restarts: tuple[Restart, ...] = ()

    def since(self, onset_step: int) -> NDArray[np.bool_]:
        """``[T]`` whether a record is at ``onset_step`` or later."""
        return np.asarray(self.step >= onset_step)

    def val_since(self, onset_step: int) -> NDArray[np.bool_]:
        """``[V]`` the same for validation."""
        return np.asarray(self.val_step >= onset_step)

    def to_run(self, name: str) -> Run:
        """The run that a reader would have made of it, with the tags that our hooks write."""
        total = np.sqrt(np.sum(self.grad_norm**2, axis=1))
        series = [
            _series(tags.TRAIN_LOSS, self.step, self.train_loss),
            _series(tags.VALIDATION_LOSS, self.val_step, self.val_loss),
            _series(tags.learning_rate(0), self.step, self.learning_rate),
            _series(tags.GRADIENT_NORM, self.step, total),
        ]
        for kind in ("grad_norm", "weight_norm", "update_ratio"):
            by_layer: Array = getattr(self, kind)
            series += [
                _series(tags.per_layer(kind, f"layers.{layer}"), self.step, by_layer[:, layer])
                for layer in range(by_layer.shape[1])
            ]
        return Run(
            id=name,
            path=name,
            name=name,
            format="synthetic",
            series={one.tag: one for one in series},
            restarts=self.restarts,
        )


def _series(tag: str, step: NDArray[np.int64], value: Array) -> Series:
    return Series(tag, step.copy(), START_TIME_S + STEP_TIME_S * step.astype(np.float64), value.copy())
