"""What is taken from the output of one layer: the mean size of each unit, and a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainvitals_hooks.looking.forward import ModuleHook, first_tensor
from trainvitals_hooks.looking.sampling import Sampling

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime
    from trainvitals_hooks.units.places import Place

MOST_UNITS = 256
"""Units looked at: the share of the dormant ones comes out within 3 percent (sqrt(0.25 / 256)) of that of all."""
MOST_ELEMENTS = 2**14
"""Elements read for the means: as many as one kernel reads in the time that it takes to call it."""
POSITIONS_THAT_COUNT = 8
"""The positions of one image resemble each other: so many of them count as examples of their own."""


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
    """How to take some of the elements of tensors of one shape and layout, without copying.

    Args:
        sizes, steps: of the view, along each axis; the steps are those of the storage.
        others: the axes that are not the units'.
        examples: that the view holds.
    """

    shape: torch.Size
    strides: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    others: tuple[int, ...]
    examples: int

    @classmethod
    def of(cls, tensor: Tensor, unit_axis: int) -> _Thinning:
        """As many units as may be; of what they were measured in, positions are left out before examples."""
        shape, strides = tensor.shape, tensor.stride()
        others = tuple(axis for axis in range(len(shape)) if axis != unit_axis)
        every = [1] * len(shape)
        # Odd, because units that come in groups, such as heads, come in even ones.
        step = ceil(shape[unit_axis] / MOST_UNITS)
        every[unit_axis] = step + (step % 2 == 0)
        left = ceil(tensor.numel() / every[unit_axis])
        for axis in reversed(others):
            every[axis] = min(ceil(left / MOST_ELEMENTS), shape[axis])
            left = ceil(left / every[axis])
        sizes = tuple(ceil(size / step) for size, step in zip(shape, every, strict=True))
        # Tokens stand in front of the units where these come last; behind them stand positions of the same example.
        examples = prod(sizes[:unit_axis]) * min(prod(sizes[unit_axis + 1 :]), POSITIONS_THAT_COUNT)
        steps = tuple(stride * step for stride, step in zip(strides, every, strict=True))
        return cls(shape, strides, sizes, steps, others, examples)


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
        if thinning is None or thinning.shape != tensor.shape or thinning.strides != tensor.stride():
            thinning = self._thinning = _Thinning.of(tensor, self._place.unit_axis(tensor.shape))
        some = tensor.as_strided(thinning.sizes, thinning.steps)
        # Faster than the norm, whose kernel takes one axis at a time.
        sizes = some.abs().mean(thinning.others, dtype=torch.float32)
        outputs = sizes[:0]
        if self._place.flat is not None:
            outputs = Sampling.of(tensor).of_tensor(tensor).to(torch.float32, copy=True)
        self._heard = Heard(sizes, outputs, thinning.examples)
