"""How far the update moved each parameter, over its size, and which parameters do not move at all.

Both norms are of the same sample of elements (exact for parameters of up to ``SAMPLE`` elements), copied before the
update and compared after it: the way through the optimizer's state would be another one for every optimizer, and a copy
of all weights would cost more than everything else together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from trainvitals import tags
from trainvitals_hooks.norms import in_order, norms
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.reading import Named, Reading, layer_tags
from trainvitals_hooks.sampling import Sampling
from trainvitals_hooks.shared_reading import of_whole_tensors
from trainvitals_hooks.still import Still
from trainvitals_hooks.wiring_marks import WiringMarks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from trainvitals_hooks.parameters import Owners
    from trainvitals_hooks.shards import Shards


@dataclass(slots=True)
class _Sampled:
    """The samples of one optimizer's parameters.

    Args:
        names, parameters: those selected. addresses: of their storage, by which a moved parameter is noticed.
        now: views into the parameters. before: copies made before the update. taken: whether they were made.
        still: looks for those that do not move.
    """

    names: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    addresses: list[int]
    now: list[Tensor]
    before: list[Tensor]
    still: Still
    taken: bool = False


class UpdateRatio(Probe):
    """Update-to-weight ratio of each parameter that was updated."""

    name = "update_ratio"
    writes = ("update_ratio", tags.NOT_MOVED)
    runs_on = "shards"

    def __init__(self, owners: Owners, selected: Callable[[str], bool], marks: WiringMarks, shards: Shards) -> None:
        self._owners = owners
        self._selected = selected
        self._marks = marks
        self._shards = shards
        self._sampled: dict[int, _Sampled] = {}

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners, context.selected, WiringMarks(context.mark), context.shards)

    def before_update(self, optimizer: Optimizer) -> None:
        sampled = self._current(optimizer)
        if sampled.now:
            torch._foreach_copy_(sampled.before, sampled.now)
        sampled.taken = True

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        sampled = self._sampled.get(id(optimizer))
        if sampled is None or not sampled.taken:
            return ()
        sampled.taken = False
        held = self._shards.held(sampled.parameters)
        moved = [
            index
            for index, parameter in enumerate(sampled.parameters)
            if parameter.grad is not None and held[index].data_ptr() == sampled.addresses[index]
        ]
        if not moved:
            return ()
        before = [sampled.before[index] for index in moved]
        names = tuple(sampled.names[index] for index in moved)
        parameters, now = [sampled.parameters[index] for index in moved], [sampled.now[index] for index in moved]
        size, places = norms(before)
        torch._foreach_sub_(before, now)
        update, _ = norms(before)
        still = sampled.still
        not_moved = self._of_optimizer(tags.NOT_MOVED, optimizer)
        self._marks.tell(not_moved.partition("/")[2], still.names)

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            half = len(arrays) // 2
            sizes, updates = in_order(arrays[:half], places), in_order(arrays[half:], places)
            still.saw(names, updates)
            # A parameter that starts at zero, as biases do, has no size to compare its first update with.
            sized = np.flatnonzero(sizes)
            layers = names if len(sized) == len(names) else tuple(names[index] for index in sized)
            return layer_tags("update_ratio", layers), updates[sized] / sizes[sized]

        ratio = of_whole_tensors(Reading([*size, *update], finish), ("update_ratio", *names), self._shards.ranks)
        if self._shards.any:
            # Whether a parameter stands still takes gradients at its sample, on all ranks that hold some of it.
            return [ratio]
        return [ratio, still.look(not_moved, optimizer, names, parameters, now)]

    def disarm(self) -> None:
        for sampled in self._sampled.values():
            sampled.taken = False

    def _of_optimizer(self, tag: str, optimizer: Optimizer) -> str:
        return tags.of_optimizer(tag, self._owners.of(optimizer).number) if len(self._owners) > 1 else tag

    def _current(self, optimizer: Optimizer) -> _Sampled:
        owned = self._owners.of(optimizer)
        chosen = [
            (name, parameter)
            for name, parameter in zip(owned.named, owned.parameters, strict=True)
            if self._selected(name) and parameter.requires_grad and parameter.numel()
        ]
        held = self._shards.held([parameter for _, parameter in chosen])
        addresses = [part.data_ptr() for part in held]
        known = self._sampled.get(id(optimizer))
        if known is not None and known.addresses == addresses:
            return known
        now = [
            Sampling.of(part, typical=self._shards.typical_size(parameter)).of_tensor(part)
            for (_, parameter), part in zip(chosen, held, strict=True)
        ]
        sampled = _Sampled(
            names=tuple(name for name, _ in chosen),
            parameters=tuple(parameter for _, parameter in chosen),
            addresses=addresses,
            now=now,
            before=[torch.empty_like(view, memory_format=torch.contiguous_format) for view in now],
            still=Still(),
        )
        self._sampled[id(optimizer)] = sampled
        return sampled
