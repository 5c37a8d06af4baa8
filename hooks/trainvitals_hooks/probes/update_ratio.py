"""How far the update moved each parameter, over its size, and which parameters do not move at all.

Both norms are of the same sample of elements (exact for parameters of up to ``SAMPLE`` elements), copied before the
update and after it: the way through the optimizer's state would be another one for every optimizer, and a copy
of all weights would cost more than everything else together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from trainvitals import tags
from trainvitals_hooks.looking.still import Still
from trainvitals_hooks.looking.wiring_marks import WiringMarks
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.processes.shared_reading import of_whole_tensors
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.looking.weight_samples import Samples, WeightSamples
    from trainvitals_hooks.processes.shards import Shards


class UpdateRatio(Probe):
    """Update-to-weight ratio of each parameter that was updated."""

    name = "update_ratio"
    writes = ("update_ratio", tags.NOT_MOVED)
    runs_on = "shards"

    def __init__(
        self,
        owners: Owners,
        selected: Callable[[str], bool],
        marks: WiringMarks,
        shards: Shards,
        samples: WeightSamples,
    ) -> None:
        self._owners = owners
        self._selected = selected
        self._marks = marks
        self._shards = shards
        self._samples = samples
        self._still: dict[int, tuple[Samples, Still]] = {}
        self._chosen: tuple[tuple[str, ...], list[int]] = ((), [])

    @classmethod
    def of(cls, context: Context) -> Self:
        marks = WiringMarks(context.mark)
        return cls(context.owners, context.selected, marks, context.shards, context.samples)

    def arm(self) -> None:
        self._samples.forget()

    def before_update(self, optimizer: Optimizer) -> None:
        self._samples.of(optimizer).take_before()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        samples = self._samples.of(optimizer)
        if not samples.has_before:
            return ()
        samples.take_after()
        parameters, every_name = samples.parameters, self._owners.of(optimizer).named
        moved = [
            place
            for place in self._selected_of(every_name)
            if (parameter := parameters[place]).grad is not None and parameter.requires_grad and parameter.numel()
        ]
        if not moved:
            return ()
        names = tuple(every_name[place] for place in moved)
        tensors = [*samples.norms_before(), *samples.norms_of_update()]
        still = self._still_of(optimizer, samples)
        not_moved = self._of_optimizer(tags.NOT_MOVED, optimizer)
        self._marks.tell(not_moved.partition("/")[2], still.names)

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            half = len(arrays) // 2
            sizes, updates = samples.in_order(arrays[:half])[moved], samples.in_order(arrays[half:])[moved]
            still.saw(names, updates)
            # A parameter that starts at zero, as biases do, has no size to compare its first update with.
            sized = np.flatnonzero(sizes)
            layers = names if len(sized) == len(names) else tuple(names[index] for index in sized)
            return layer_tags("update_ratio", layers), updates[sized] / sizes[sized]

        ratio = of_whole_tensors(Reading(tensors, finish), ("update_ratio", *every_name), self._shards.ranks)
        if self._shards.any:
            # Whether a parameter stands still takes gradients at its sample, on all ranks that hold some of it.
            return [ratio]
        moving = [parameters[place] for place in moved]
        return [ratio, still.look(not_moved, optimizer, names, moving, [samples.now[place] for place in moved])]

    def _selected_of(self, names: tuple[str, ...]) -> list[int]:
        if self._chosen[0] is not names:
            self._chosen = names, [place for place, name in enumerate(names) if self._selected(name)]
        return self._chosen[1]

    def _still_of(self, optimizer: Optimizer, samples: Samples) -> Still:
        known = self._still.get(id(optimizer))
        if known is None or known[0] is not samples:
            known = self._still[id(optimizer)] = samples, Still()
        return known[1]

    def _of_optimizer(self, tag: str, optimizer: Optimizer) -> str:
        return tags.of_optimizer(tag, self._owners.of(optimizer).number) if len(self._owners) > 1 else tag
