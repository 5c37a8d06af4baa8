"""A sample of every parameter of an optimizer, before and after its update, in the rows of a matrix.

To read all weights costs more than everything else together, and a matrix takes one operation where a list of tensors
takes one for each. What is shared by several probes is copied once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainvitals_hooks.looking.norms import WIDENED, Places
from trainvitals_hooks.looking.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.processes.shards import Shards


READ_ALL_EVERY = 10
"""Samples between two readings of all weights. By how much the whole is longer than a sample of a thousand elements
changes by some thousandths of itself while all of them are trained alike."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The samples on one device of one type, ``[N, S]``; behind a shorter one stand zeros.

    Args:
        places: of the N parameters among all. before_rows, after_rows: as long as the samples.
    """

    places: list[int]
    before: Tensor
    after: Tensor
    before_rows: list[Tensor]
    after_rows: list[Tensor]

    @classmethod
    def of(cls, places: list[int], now: list[Tensor]) -> _Rows:
        width = max(map(len, now))
        before, after = (
            torch.zeros(len(now), width, dtype=now[0].dtype, device=now[0].device) for _ in ("before", "after")
        )
        return cls(places, before, after, _cut(before, now), _cut(after, now))


class Samples:
    """The samples of one optimizer's parameters.

    Args:
        parameters: all of them. held: what is here of each.

    Attributes:
        now: views into the parameters.
        scale: ``[P]``, from the norm of each sample to that of the parameter: 1 where the sample is all of it, else as
            it was when all weights were last read.
    """

    def __init__(self, parameters: tuple[Parameter, ...], held: Sequence[Tensor], shards: Shards) -> None:
        self.parameters = parameters
        self._addresses = [part.data_ptr() for part in held]
        samplings = [
            Sampling.of(part, typical=shards.typical_size(parameter))
            for parameter, part in zip(parameters, held, strict=True)
        ]
        self.now = [sampling.of_tensor(part) for sampling, part in zip(samplings, held, strict=True)]
        self.scale = np.array([math.sqrt(sampling.stride) for sampling in samplings])
        # A parameter with gaps in its storage is copied each time, for there is no view of its sample.
        self._copied = [
            (place, sampling, held[place]) for place, sampling in enumerate(samplings) if not sampling.dense
        ]
        groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
        for place, view in enumerate(self.now):
            if len(view):
                groups.setdefault((view.device, view.dtype), []).append(place)
        self._rows = [_Rows.of(places, [self.now[place] for place in places]) for places in groups.values()]
        self.places: Places = list(groups.values())
        self._has_before = self._has_after = False
        self._taken = 0

    def are_of(self, parameters: tuple[Parameter, ...], held: Sequence[Tensor]) -> bool:
        """Whether the parameters are the same and still where they were."""
        return parameters is self.parameters and [part.data_ptr() for part in held] == self._addresses

    def take_before(self) -> None:
        """Copy the samples before the update."""
        self._look_again()
        for rows in self._rows:
            torch._foreach_copy_(rows.before_rows, [self.now[place] for place in rows.places])
        self._has_before, self._has_after = True, False

    def take_after(self) -> None:
        """Copy the samples after the update; the second call for the same one does nothing."""
        if not self._has_after:
            self._look_again()
            for rows in self._rows:
                torch._foreach_copy_(rows.after_rows, [self.now[place] for place in rows.places])
            self._has_after = True
            self._taken += 1

    def forget(self) -> None:
        """Until the next update."""
        self._has_before = self._has_after = False

    def _look_again(self) -> None:
        for place, sampling, part in self._copied:
            self.now[place] = sampling.of_tensor(part)

    @property
    def wants_all(self) -> bool:
        """Whether all weights should be read now, to know how much longer they are than their samples."""
        return self._taken % READ_ALL_EVERY == 1

    @property
    def has_before(self) -> bool:
        return self._has_before

    def norms_before(self) -> list[Tensor]:
        """Of the samples before the update, for ``places``."""
        return [_norms(rows.before) for rows in self._rows]

    def norms_after(self) -> list[Tensor]:
        return [_norms(rows.after) for rows in self._rows]

    def norms_of_update(self) -> list[Tensor]:
        return [_norms(rows.after - rows.before) for rows in self._rows]

    def in_order(self, arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Norms, back on the host, as ``[P]``."""
        value = np.zeros(len(self.parameters))
        for array, places in zip(arrays, self.places, strict=True):
            value[places] = array
        return value

    def calibrate(self, of_samples: NDArray[np.float64], of_all: NDArray[np.float64]) -> None:
        """From now on a sample stands for as much as it does here. Both are norms, ``[P]``."""
        known = np.isfinite(of_samples) & np.isfinite(of_all) & (of_samples > 0)
        self.scale[known] = of_all[known] / of_samples[known]


class WeightSamples:
    """The samples of all optimizers, made anew where parameters come, go or move."""

    def __init__(self, owners: Owners, shards: Shards) -> None:
        self._owners = owners
        self._shards = shards
        self._samples: dict[int, Samples] = {}

    def of(self, optimizer: Optimizer) -> Samples:
        """To be called where gradients are off."""
        parameters = self._owners.of(optimizer).parameters
        held = self._shards.held(parameters)
        known = self._samples.get(id(optimizer))
        if known is None or not known.are_of(parameters, held):
            known = Samples(parameters, held, self._shards)
            self._samples[id(optimizer)] = known
        return known

    def forget(self) -> None:
        for samples in self._samples.values():
            samples.forget()


def _cut(matrix: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    return [row[: len(view)] for row, view in zip(matrix, like, strict=True)]


def _norms(matrix: Tensor) -> Tensor:
    """``[N]`` of the rows."""
    return torch.linalg.vector_norm(matrix, dim=1, dtype=torch.float32 if matrix.dtype in WIDENED else None)
