"""The norms of each parameter and of its gradient, and the norm of the whole gradient.

That of the gradient is exact: one wrong element shows. To read all weights as well would cost as much again: they are
read at the first record and at every tenth, and between two of these a sample of each, always the same, tells how far
its norm has changed since.

Read after the update: only there the gradients are right with closures and with fused unscaling, and they are what the
optimizer used, that is clipped. A parameter without a gradient has none recorded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np

from trainvitals import tags
from trainvitals_hooks.looking.norms import in_order, norms
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.processes.shared_reading import of_whole_tensors
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owned, Owners
    from trainvitals_hooks.looking.weight_samples import Samples, WeightSamples
    from trainvitals_hooks.processes.shards import Shards


_NON_FINITE = {"grad_norm": tags.NON_FINITE_GRADIENTS, "weight_norm": tags.NON_FINITE_WEIGHTS}


class WeightsAndGradients(Probe):
    """Norms of every parameter that an optimizer updates.

    Args:
        selected: which parameters have tags of their own; the norm of the whole gradient is of all of them.
    """

    name = "weights_and_gradients"
    writes = (
        "grad_norm",
        "weight_norm",
        tags.GRADIENT_NORM,
        tags.NON_FINITE_GRADIENTS,
        tags.NON_FINITE_WEIGHTS,
    )
    runs_on = "shards"

    def __init__(self, owners: Owners, selected: Callable[[str], bool], shards: Shards, samples: WeightSamples) -> None:
        self._owners = owners
        self._selected = selected
        self._shards = shards
        self._samples = samples
        self._chosen_of: dict[tuple[str, ...], list[int]] = {}

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners, context.selected, context.shards, context.samples)

    def arm(self) -> None:
        self._samples.forget()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        owned = self._owners.of(optimizer)
        with_gradient = [
            (name, parameter.grad)
            for name, parameter in zip(owned.named, owned.parameters, strict=True)
            if parameter.grad is not None
        ]
        samples = self._samples.of(optimizer)
        samples.take_after()
        readings = [self._of_weights(owned, samples)]
        if with_gradient:
            names = tuple(name for name, _ in with_gradient)
            gradients, places = norms(self._shards.held([gradient for _, gradient in with_gradient]))
            readings.append(
                self._reading("grad_norm", owned, names, gradients, lambda arrays: in_order(arrays, places))
            )
        return readings

    def _of_weights(self, owned: Owned, samples: Samples) -> Reading:
        sampled = samples.norms_after()
        if not samples.wants_all:
            return self._reading(
                "weight_norm", owned, owned.named, sampled, lambda arrays: samples.in_order(arrays) * samples.scale
            )
        everything, places = norms(self._shards.held(owned.parameters))

        def calibrated(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
            of_all = in_order(arrays[len(sampled) :], places)
            samples.calibrate(samples.in_order(arrays[: len(sampled)]), of_all)
            return of_all

        return self._reading("weight_norm", owned, owned.named, [*sampled, *everything], calibrated)

    def _reading(
        self,
        kind: str,
        owned: Owned,
        names: tuple[str, ...],
        tensors: list[Tensor],
        norms_of: Callable[[Sequence[NDArray[np.float64]]], NDArray[np.float64]],
    ) -> Reading:
        def total(tag: str) -> str:
            return tags.of_optimizer(tag, owned.number) if len(self._owners) > 1 else tag

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            value = norms_of(arrays)
            whole: dict[str, float] = {}
            if kind == "grad_norm":
                whole[total(tags.GRADIENT_NORM)] = math.sqrt(float(value @ value))
            whole[total(_NON_FINITE[kind])] = float(np.count_nonzero(~np.isfinite(value)))
            chosen = self._chosen(names)
            layers = names if len(chosen) == len(names) else tuple(names[index] for index in chosen)
            whole_tags, whole_value = named(whole)
            return (*layer_tags(kind, layers), *whole_tags), np.concatenate((value[chosen], whole_value))

        return of_whole_tensors(Reading(tensors, finish), (kind, *names), self._shards.ranks)

    def _chosen(self, names: tuple[str, ...]) -> list[int]:
        if names not in self._chosen_of:
            # Names change when layers are unfrozen; a list for each step of that is not worth keeping.
            self._chosen_of = {names: [index for index, name in enumerate(names) if self._selected(name)]}
        return self._chosen_of[names]
