"""Learning rate and weight decay of each parameter group, as the optimizer used them in this step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Measured, Named, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

_SETTINGS = {"lr": tags.learning_rate, "weight_decay": tags.weight_decay}


class LearningRate(Probe):
    """One tag a parameter group; the groups of several optimizers are numbered through."""

    name = "learning_rate"
    writes = (tags.LEARNING_RATE, tags.WEIGHT_DECAY)

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = optimizers

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.optimizers)

    def after_update(self, optimizer: Optimizer) -> Sequence[Measured]:
        first = 0
        for other in self._optimizers:
            if other is optimizer:
                break
            first += len(other.param_groups)
        numbers: dict[str, float] = {}
        on_device: dict[str, Tensor] = {}
        for number, group in enumerate(optimizer.param_groups, first):
            for setting, tag in _SETTINGS.items():
                value = group.get(setting)
                if isinstance(value, torch.Tensor):
                    on_device[tag(number)] = value.reshape(1)
                elif isinstance(value, int | float):
                    numbers[tag(number)] = float(value)

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            return tuple(on_device), np.concatenate(arrays)

        return [numbers, Reading(list(on_device.values()), finish)] if on_device else [numbers]
