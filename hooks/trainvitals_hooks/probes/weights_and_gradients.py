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
from trainvitals_hooks.looking.weight_samples import AFTER
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.processes.shared_reading import of_whole_tensors
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners
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
        self._known: dict[tuple[str, int], tuple[tuple[str, ...], list[int], tuple[str, ...]]] = {}

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners, context.selected, context.shards, context.samples)

    def arm(self) -> None:
        self._samples.forget()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        samples = self._samples.after(optimizer)
        readings = [self._of_weights(samples)]
        names, gradients = samples.names, [parameter.grad for parameter in samples.parameters]
        present = [gradient for gradient in gradients if gradient is not None]
        if len(present) < len(names):
            names = tuple(name for name, gradient in zip(names, gradients, strict=True) if gradient is not None)
        if present:
            measured, places = norms(self._shards.held(present))
            readings.append(
                self._reading("grad_norm", samples.number, names, measured, lambda arrays: in_order(arrays, places))
            )
        return readings

    def _of_weights(self, samples: Samples) -> Reading:
        sampled = samples.norms
        if not samples.wants_all:

            def followed(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
                return samples.in_order(arrays, AFTER) * samples.scale

            return self._reading("weight_norm", samples.number, samples.names, sampled, followed)
        everything, places = norms(self._shards.held(samples.parameters))

        def calibrated(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
            of_all = in_order(arrays[len(sampled) :], places)
            samples.calibrate(samples.in_order(arrays[: len(sampled)], AFTER), of_all)
            return of_all

        return self._reading("weight_norm", samples.number, samples.names, [*sampled, *everything], calibrated)

    def _reading(
        self,
        kind: str,
        number: int,
        names: tuple[str, ...],
        tensors: list[Tensor],
        norms_of: Callable[[Sequence[NDArray[np.float64]]], NDArray[np.float64]],
    ) -> Reading:
        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            value = norms_of(arrays)
            whole = math.sqrt(value.dot(value))
            non_finite = 0.0 if math.isfinite(whole) else float(np.count_nonzero(~np.isfinite(value)))
            chosen, chosen_tags = self._tags_of(kind, number, names)
            if len(chosen) < len(names):
                value = value[chosen]
            of_all = (whole, non_finite) if kind == "grad_norm" else (non_finite,)
            return chosen_tags, np.concatenate((value, of_all))

        return of_whole_tensors(Reading(tensors, finish), (kind, *names), self._shards.ranks)

    def _tags_of(self, kind: str, number: int, names: tuple[str, ...]) -> tuple[list[int], tuple[str, ...]]:
        """Which of these parameters have tags of their own, and all tags of this kind."""
        known = self._known.get((kind, number))
        if known is None or known[0] != names:
            # Names change when layers are unfrozen; what was there at each step of that is not worth keeping.
            chosen = [index for index, name in enumerate(names) if self._selected(name)]
            whole = [_NON_FINITE[kind]] if kind == "weight_norm" else [tags.GRADIENT_NORM, _NON_FINITE[kind]]
            if len(self._owners) > 1:
                whole = [tags.of_optimizer(tag, number) for tag in whole]
            layers = layer_tags(kind, tuple(names[index] for index in chosen))
            known = self._known[kind, number] = names, chosen, (*layers, *whole)
        return known[1], known[2]
