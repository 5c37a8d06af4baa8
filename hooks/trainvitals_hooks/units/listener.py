"""What is taken from the output of one layer: the mean size of each unit, and a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainvitals_hooks.forward import ModuleHook, first_tensor
from trainvitals_hooks.sampling import Sampling

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.own_time import OwnTime
    from trainvitals_hooks.units.places import Place

MOST_UNITS = 1024
"""Units looked at: the share of the dormant ones comes out within 1.6 percent (sqrt(0.25 / 1024)) of that of all."""
MOST_ELEMENTS = 2**15
"""Elements read for the means, 128 KB: what one kernel reads in the time that it takes to call it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One forward pass.

    Args:
        sizes: ``[U]``, mean absolute output of each unit. outputs: ``[N]``, a sample, empty if nobody asks for it.
        examples: over how many examples, or tokens, the mean was taken.
    """

    sizes: Tensor
    outputs: Tensor
    examples: int


@dataclass(frozen=True, slots=True)
class _Thinning:
    """How to take some of the elements of tensors of one shape.

    Args:
        slices: one an axis. others: the axes that are not the units'. unit_axis: that of the units.
    """

    shape: torch.Size
    slices: tuple[slice, ...]
    others: tuple[int, ...]
    examples: int

    @classmethod
    def of(cls, shape: torch.Size, unit_axis: int) -> _Thinning:
        """Every unit, as far as there are not too many; of the rest, positions go before examples."""
        others = tuple(axis for axis in range(len(shape)) if axis != unit_axis)
        steps = [1] * len(shape)
        steps[unit_axis] = ceil(shape[unit_axis] / MOST_UNITS)
        left = prod(shape) // steps[unit_axis]
        for axis in reversed(others):
            steps[axis] = min(ceil(left / MOST_ELEMENTS), shape[axis])
            left = ceil(left / steps[axis])
        sizes = [ceil(size / step) for size, step in zip(shape, steps, strict=True)]
        # Behind the units are positions of the same example; where the units come last, tokens stand before them.
        in_front = sizes[:unit_axis] if unit_axis == len(shape) - 1 else sizes[: min(unit_axis, 1)]
        return cls(shape, tuple(slice(None, None, step) for step in steps), others, prod(in_front))


class UnitListener(ModuleHook):
    """Hears one layer; of several forward passes in a step the last one counts."""

    def __init__(self, place: Place, own: OwnTime, on_error: Callable[[Exception], None]) -> None:
        super().__init__(place.module)
        self._place = place
        self._own = own
        self._on_error = on_error
        self._heard: Heard | None = None
        self._thinning: _Thinning | None = None

    def attach(self) -> RemovableHandle:
        """Begin to listen."""
        self._heard = None
        if self._place.behind:
            return self._module.register_forward_hook(self)
        return self._module.register_forward_pre_hook(self)

    def take(self) -> Heard | None:
        """What was heard since ``attach``."""
        heard, self._heard = self._heard, None
        return heard

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: object = None) -> None:
        if not self.concerns(module):
            return
        self._own.enter()
        try:
            self._hear(first_tensor(output if self._place.behind else inputs))
        except Exception as error:
            self._on_error(error)
        finally:
            self._own.leave()

    def _hear(self, tensor: Tensor | None) -> None:
        if tensor is None or type(tensor) is not Tensor or tensor.dim() < 2 or not tensor.numel():
            return
        if not self._place.behind and not tensor.requires_grad:
            # What no parameter made is the input of the model, whose constant parts are no fault.
            return
        tensor = tensor.detach()
        thinning = self._thinning
        if thinning is None or thinning.shape != tensor.shape:
            thinning = self._thinning = _Thinning.of(tensor.shape, self._place.unit_axis(tensor.shape))
        some = tensor[thinning.slices]
        # Three times as fast as the norm, whose kernel goes along one axis at a time.
        sizes = some.abs().mean(thinning.others, dtype=torch.float32)
        outputs = sizes[:0]
        if self._place.flat is not None:
            outputs = Sampling.of(tensor).of_tensor(tensor).to(torch.float32, copy=True)
        self._heard = Heard(sizes, outputs, thinning.examples)
