"""Where the units of a model are heard: behind its activation functions, or else in front of its layers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from trainvitals_hooks.looking.parameters import plain_name

FLAT_TANH = 0.97
"""Beyond it tanh has less than 6 % of its largest slope (1 - 0.97²); the same share of slope counts for the others."""
FLAT_SIGMOID = (1 - FLAT_TANH) / 2
FLAT_SOFTSIGN = 1 - math.sqrt(1 - FLAT_TANH**2)
_ACTIVATIONS = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Threshold),
    *(nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softsign, nn.GLU),
)
_ACTIVATION_NAME = re.compile(r"[rg]elu|elu\b|silu|swish|mish|tanh|sigmoid|softplus|softsign|activation", re.IGNORECASE)
"""In the class names of activation functions that are none of PyTorch's own, such as those of model libraries."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Along which axis the units stand next to some layer: ``axis`` has ``units`` of them."""

    axis: int
    units: int


@dataclass(frozen=True, slots=True)
class Place:
    """One layer whose units are judged.

    Args:
        module: what is hooked. behind: whether its output is heard, else its input.
        axes: what the layers around it say, the likeliest first.
        flat: the outputs at and below, and at and above which the function is flat; None if it is not, or not known.
    """

    name: str
    module: nn.Module
    behind: bool
    axes: tuple[Axis, ...]
    flat: tuple[float, float] | None

    def unit_axis(self, shape: Sequence[int]) -> int:
        """The axis of a tensor of this shape along which its units stand."""
        for known in self.axes:
            if -len(shape) <= known.axis < len(shape) and shape[known.axis] == known.units:
                return known.axis % len(shape)
        # Nobody knows: images have their channels in front of their positions, everything else has its units last.
        return 1 if len(shape) > 3 else len(shape) - 1


def judged_places(model: nn.Module, selected: Callable[[str], bool]) -> list[Place]:
    """Every place of this model that is listened to and whose name is selected, in the order of the modules."""
    leaves = [
        (plain_name(path) or type(module).__name__, module)
        for path, module in model.named_modules()
        if not any(module.children())
    ]
    produced = [_output_axis(module) for _, module in leaves]
    consumed = [_input_axis(module) for _, module in leaves]
    behind = [
        Place(name, module, True, _nearest(produced[index::-1]) + _nearest(consumed[index:]), flat_ends(module))
        for index, (name, module) in enumerate(leaves)
        if _is_activation(module)
    ]
    before = [
        Place(f"{name}.input", module, False, (axis,), None)
        for (name, module), axis in zip(leaves, consumed, strict=True)
        if axis is not None
    ]
    return [place for place in behind or before if selected(place.name)]


def flat_ends(module: nn.Module) -> tuple[float, float] | None:
    """Outputs of an activation function beyond which its slope is next to nothing; None if there are none."""
    match module:
        case nn.Tanh():
            return -FLAT_TANH, FLAT_TANH
        case nn.Sigmoid():
            return FLAT_SIGMOID, 1 - FLAT_SIGMOID
        case nn.Softsign():
            return -FLAT_SOFTSIGN, FLAT_SOFTSIGN
        case nn.Hardsigmoid():
            return 0.0, 1.0
        case nn.ReLU6():
            # Its lower end is that of ReLU, where a healthy unit often is.
            return -math.inf, module.max_val
        case nn.Hardtanh():
            return module.min_val, module.max_val
        case _:
            return None


def _is_activation(module: nn.Module) -> bool:
    return isinstance(module, _ACTIVATIONS) or bool(_ACTIVATION_NAME.search(type(module).__name__))


def _nearest(axes: Sequence[Axis | None]) -> tuple[Axis, ...]:
    return next(((axis,) for axis in axes if axis is not None), ())


def _output_axis(module: nn.Module) -> Axis | None:
    match module:
        case nn.Linear() | nn.Bilinear():
            return Axis(-1, module.out_features)
        case _ConvNd():
            return Axis(-1 - len(module.kernel_size), module.out_channels)
        case nn.GroupNorm():
            return Axis(1, module.num_channels)
        case _NormBase():
            return Axis(1, module.num_features)
        case nn.LayerNorm() | nn.RMSNorm():
            return Axis(-1, module.normalized_shape[-1])
        case nn.Embedding() | nn.EmbeddingBag():
            return Axis(-1, module.embedding_dim)
        case nn.RNNBase():
            return Axis(-1, (module.proj_size or module.hidden_size) * (1 + module.bidirectional))
        case _:
            return None


def _input_axis(module: nn.Module) -> Axis | None:
    match module:
        case nn.Linear():
            return Axis(-1, module.in_features)
        case _ConvNd():
            return Axis(-1 - len(module.kernel_size), module.in_channels)
        case _:
            return None
