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

from trainvitals_hooks.looking.norms import WIDENED
from trainvitals_hooks.looking.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owned, Owners
    from trainvitals_hooks.processes.shards import Shards


READ_ALL_EVERY = 10
"""Samples between two readings of all weights. By how much the whole is longer than a sample of a thousand elements
changes by some thousandths of itself while all of them are trained alike."""


BEFORE, AFTER, UPDATE = range(3)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The samples on one device of one type; behind a shorter one stand zeros.

    Args:
        places: of the N parameters among all.
        matrices: ``[3, N, S]``, the samples before the update and after it, and their difference.
        before, after: rows, as long as the samples.
    """

    places: list[int]
    matrices: Tensor
    before: list[Tensor]
    after: list[Tensor]

    @classmethod
    def of(cls, places: list[int], now: list[Tensor]) -> _Rows:
        matrices = torch.zeros(3, len(now), max(map(len, now)), dtype=now[0].dtype, device=now[0].device)
        return cls(places, matrices, _cut(matrices[BEFORE], now), _cut(matrices[AFTER], now))

    def norms(self, has_before: bool) -> Tensor:
        """``[3 N]`` of all rows, or ``[N]`` of those after the update."""
        matrices = self.matrices
        if has_before:
            torch.sub(matrices[AFTER], matrices[BEFORE], out=matrices[UPDATE])
        else:
            matrices = matrices[AFTER]
        wide = torch.float32 if matrices.dtype in WIDENED else None
        return torch.linalg.vector_norm(matrices, dim=-1, dtype=wide).flatten()


class Samples:
    """The samples of one optimizer's parameters.

    Args:
        owned: whose they are. held: what is here of each.

    Attributes:
        parameters, names: all of them.
        number: of the optimizer.
        now: views into the parameters.
        scale: ``[P]``, from the norm of each sample to that of the parameter: 1 where the sample is all of it, else as
            it was when all weights were last read.
        has_before, has_after: what was copied since ``forget``.
        norms: of what was copied, one tensor for each device and type.
    """

    def __init__(self, owned: Owned, held: Sequence[Tensor], shards: Shards) -> None:
        self.parameters, self.names, self.number = owned.parameters, owned.named, owned.number
        self._addresses = [part.data_ptr() for part in held]
        samplings = [
            Sampling.of(part, typical=shards.typical_size(parameter))
            for parameter, part in zip(self.parameters, held, strict=True)
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
        self.has_before = self.has_after = False
        self.norms: list[Tensor] = []
        self._taken = 0

    def are_of(self, owned: Owned, held: Sequence[Tensor]) -> bool:
        """Whether the parameters are the same and still where they were."""
        return owned.parameters is self.parameters and [part.data_ptr() for part in held] == self._addresses

    def take_before(self) -> None:
        """Copy the samples before the update."""
        self._look_again()
        for rows in self._rows:
            torch._foreach_copy_(rows.before, self._now(rows))
        self.has_before, self.has_after = True, False

    def take_after(self) -> None:
        """Copy the samples after the update, and take the norms of all that was copied."""
        self._look_again()
        for rows in self._rows:
            torch._foreach_copy_(rows.after, self._now(rows))
        self.norms = [rows.norms(self.has_before) for rows in self._rows]
        self.has_after = True
        self._taken += 1

    def forget(self) -> None:
        """Until the next update."""
        self.has_before = self.has_after = False

    def _now(self, rows: _Rows) -> list[Tensor]:
        return self.now if len(rows.places) == len(self.now) else [self.now[place] for place in rows.places]

    def _look_again(self) -> None:
        for place, sampling, part in self._copied:
            self.now[place] = sampling.of_tensor(part)

    @property
    def wants_all(self) -> bool:
        """Whether all weights should be read now, to know how much longer they are than their samples."""
        return self._taken % READ_ALL_EVERY == 1

    def in_order(self, arrays: Sequence[NDArray[np.float64]], which: int) -> NDArray[np.float64]:
        """``norms``, back on the host: those ``BEFORE``, ``AFTER`` or of the ``UPDATE``, as ``[P]``."""
        value = np.zeros(len(self.parameters))
        for array, rows in zip(arrays, self._rows, strict=True):
            count = len(rows.places)
            first = which * count if len(array) > count else 0
            if count == len(value):
                return array[first : first + count]
            value[rows.places] = array[first : first + count]
        return value

    def calibrate(self, of_samples: NDArray[np.float64], of_all: NDArray[np.float64]) -> None:
        """From now on a sample stands for as much as it does here. Both are norms, ``[P]``."""
        known = np.isfinite(of_samples) & np.isfinite(of_all) & (of_samples > 0)
        self.scale[known] = of_all[known] / of_samples[known]


class WeightSamples:
    """The samples of all optimizers, made anew where parameters come, go or move. Used where gradients are off."""

    def __init__(self, owners: Owners, shards: Shards) -> None:
        self._owners = owners
        self._shards = shards
        self._samples: dict[int, Samples] = {}

    def before(self, optimizer: Optimizer) -> None:
        """Copy the samples before the update."""
        self._of(optimizer).take_before()

    def after(self, optimizer: Optimizer) -> Samples:
        """The samples, copied after the update; the second call for the same one does nothing."""
        known = self._samples.get(id(optimizer))
        if known is None or not known.has_after:
            # Also after ``before``: some optimizers put the new weights elsewhere.
            known = self._of(optimizer)
            known.take_after()
        return known

    def _of(self, optimizer: Optimizer) -> Samples:
        owned = self._owners.of(optimizer)
        held = self._shards.held(owned.parameters)
        known = self._samples.get(id(optimizer))
        if known is None or not known.are_of(owned, held):
            known = self._samples[id(optimizer)] = Samples(owned, held, self._shards)
        return known

    def forget(self) -> None:
        for samples in self._samples.values():
            samples.forget()


def _cut(matrix: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    return [row[: len(view)] for row, view in zip(matrix, like, strict=True)]
