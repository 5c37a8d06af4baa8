"""Whether all replicas still have the same weights: a checksum of each rank's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.processes.shared_reading import of_each_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.processes.shards import Shards
    from trainvitals_hooks.recording.reading import Reading

SAME_SIZE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
MODULUS = 2**24
"""Event files hold single precision, which tells integers apart up to here: two different sums look the same once in 17
million times."""
MODULUS_BYTES = 4
"""An integer of so many bytes or more runs over at a multiple of the modulus."""


class WeightsOfRanks(Probe):
    """The sum of all weights, read as integers: exact, in whatever order they are added. Shards have none."""

    name = "weights_of_ranks"
    writes = (tags.PARAMETER_CHECKSUM,)
    runs_on = "several"

    def __init__(self, owners: Owners, shards: Shards) -> None:
        self._owners = owners
        self._shards = shards

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners, context.shards)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        owned = self._owners.of(optimizer)
        if self._shards.any or not owned.parameters:
            return ()
        sums: dict[torch.dtype, list[Tensor]] = {}
        for parameter in owned.parameters:
            total_of_one = _sum_of_bits(parameter.detach())
            sums.setdefault(total_of_one.dtype, []).append(total_of_one)
        total = sum(torch.stack(alike).sum(dtype=torch.int64).remainder(MODULUS) for alike in sums.values())
        total = torch.as_tensor(total).remainder(MODULUS).reshape(1)
        tag = tags.PARAMETER_CHECKSUM
        tag = tags.of_optimizer(tag, owned.number) if len(self._owners) > 1 else tag
        return [of_each_rank(total, tag)]


def _sum_of_bits(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    bits = tensor.view(SAME_SIZE[tensor.element_size()])
    # In their own type they are added up ten times as fast, and what runs over is a multiple of the modulus.
    return bits.sum(dtype=bits.dtype if bits.element_size() >= MODULUS_BYTES else torch.int64)
