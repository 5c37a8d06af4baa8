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
from trainvitals_hooks.looking.weight_samples import BEFORE, UPDATE
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
        self._chosen: tuple[Samples | None, list[int]] = None, []

    @classmethod
    def of(cls, context: Context) -> Self:
        marks = WiringMarks(context.mark)
        return cls(context.owners, context.selected, marks, context.shards, context.samples)

    def arm(self) -> None:
        self._samples.forget()

    def before_update(self, optimizer: Optimizer) -> None:
        self._samples.before(optimizer)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        samples = self._samples.after(optimizer)
        if not samples.has_before:
            return ()
        parameters, names = samples.parameters, samples.names
        moved = [
            place
            for place in self._selected_of(samples)
            if (parameter := parameters[place]).grad is not None and parameter.requires_grad
        ]
        if not moved:
            return ()
        all_moved = len(moved) == len(names)
        if not all_moved:
            names = tuple(names[place] for place in moved)
        still = self._still_of(optimizer, samples)
        not_moved = tags.of_optimizer(tags.NOT_MOVED, samples.number) if len(self._owners) > 1 else tags.NOT_MOVED
        self._marks.tell(not_moved.partition("/")[2], still.names)

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            sizes, updates = samples.in_order(arrays, BEFORE), samples.in_order(arrays, UPDATE)
            if not all_moved:
                sizes, updates = sizes[moved], updates[moved]
            still.saw(names, updates)
            if sizes.all():
                return layer_tags("update_ratio", names), updates / sizes
            # A parameter that starts at zero, as biases do, has no size to compare its first update with.
            sized = np.flatnonzero(sizes)
            return layer_tags("update_ratio", tuple(names[index] for index in sized)), updates[sized] / sizes[sized]

        ratio = Reading(samples.norms, finish)
        ratio = of_whole_tensors(ratio, ("update_ratio", *samples.names), self._shards.ranks)
        if self._shards.any:
            # Whether a parameter stands still takes gradients at its sample, on all ranks that hold some of it.
            return [ratio]
        return [ratio, still.look(not_moved, optimizer, names, samples, moved)]

    def _selected_of(self, samples: Samples) -> list[int]:
        if self._chosen[0] is not samples:
            places = enumerate(zip(samples.names, samples.parameters, strict=True))
            selected = [place for place, (name, each) in places if each.numel() and self._selected(name)]
            self._chosen = samples, selected
        return self._chosen[1]

    def _still_of(self, optimizer: Optimizer, samples: Samples) -> Still:
        known = self._still.get(id(optimizer))
        if known is None or known[0] is not samples:
            known = self._still[id(optimizer)] = samples, Still()
        return known[1]
