"""How alike the units of each layer are: the mean absolute cosine between their incoming weight vectors.

Where all units began alike, they stay alike and it stays at 1. Vectors of n independent weights have about
sqrt(2 / (pi n)) by chance: 0.05 with 256 inputs, 0.4 with 4. The sample has at most ``UNITS`` units and ``INPUTS``
inputs. A unit without any weight is like no other.

Looked at are linear layers, convolutions (a unit is a channel; of grouped ones the units see different inputs, they are
left out) and the joint projection of ``nn.MultiheadAttention``, where their weights are parameters themselves; of more
than ``AT_ONCE`` layers some at each record, in turn. It reads weights, not outputs, so compiled models are seen too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from trainvitals_hooks.looking.parameters import plain_name
from trainvitals_hooks.looking.rotation import Rotation
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer

UNITS = 32
"""496 pairs: for independent weights their mean is within 3 % of that of all pairs (0.75 / sqrt(496))."""
INPUTS = 256
"""The cosine of two vectors comes out within 0.06 from so many of their elements (1 / sqrt(256))."""
FEWEST_INPUTS = 2
"""One weight always has the direction of another."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer's weight ``[units, inputs, ...]``, by the module that holds it: it may be replaced by another."""

    name: str
    module: nn.Module
    attribute: str

    def sample(self) -> Tensor | None:
        """``[units, inputs]``, a view or a small copy; None where there is nothing to compare."""
        # By name it would be computed where it is parametrised, which changes the state it is computed from.
        weight = self.module._parameters.get(self.attribute)
        if (
            weight is None
            or type(weight) not in (nn.Parameter, Tensor)
            or not weight.requires_grad
            or weight.ndim < 2
            or len(weight) < 2
            or weight[0].numel() < FEWEST_INPUTS
        ):
            return None
        units = weight.detach()[:: -(-len(weight) // UNITS)].flatten(1)
        # An odd step: an even one would see one column only of kernels of even size.
        step = -(-units.shape[1] // INPUTS) | 1
        return units[:, ::step]


class UnitSimilarity(Probe):
    """Similarity of the units of each layer."""

    name = "unit_similarity"
    writes = ("unit_similarity",)

    def __init__(self, model: nn.Module, selected: Callable[[str], bool]) -> None:
        self._layers = _layers(model, selected)
        self._rotation = Rotation(len(self._layers))
        self._turn = range(0)

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.selected)

    def arm(self) -> None:
        self._turn = self._rotation.next()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        turn, self._turn = self._turn, range(0)
        alike: dict[tuple[torch.Size, torch.dtype, torch.device], list[tuple[str, Tensor]]] = {}
        for layer in (self._layers[number] for number in turn):
            sample = layer.sample()
            if sample is not None:
                alike.setdefault((sample.shape, sample.dtype, sample.device), []).append((layer.name, sample))
        names = tuple(name for group in alike.values() for name, _ in group)
        similarities = [_similarity(torch.stack([sample for _, sample in group])) for group in alike.values()]

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            return layer_tags("unit_similarity", names), np.concatenate(arrays)

        return [Reading(similarities, finish)] if names else ()

    def disarm(self) -> None:
        self._turn = range(0)


def _layers(model: nn.Module, selected: Callable[[str], bool]) -> list[_Layer]:
    found = []
    for path, module in model.named_modules():
        name = plain_name(path) or type(module).__name__
        if not selected(name):
            continue
        if isinstance(module, nn.Linear) or (
            isinstance(module, _ConvNd) and module.groups == 1 and not module.transposed
        ):
            found.append(_Layer(name, module, "weight"))
        elif isinstance(module, nn.MultiheadAttention):
            found.append(_Layer(name, module, "in_proj_weight"))
    return found


def _similarity(weights: Tensor) -> Tensor:
    """Of layers ``[L, units, inputs]`` the mean absolute cosine between two different units ``[L]``."""
    weights = weights.to(torch.float32)
    products = torch.bmm(weights, weights.mT)
    lengths = products.diagonal(dim1=1, dim2=2).sqrt().clamp_min(torch.finfo(products.dtype).tiny)
    cosines = products.abs_().div_(lengths[:, :, None]).div_(lengths[:, None, :]).triu_(1)
    units = weights.shape[1]
    return cosines.sum((1, 2)) / (units * (units - 1) / 2)
