"""How many directions the outputs of each layer spread over.

The measure is the participation ratio (sum of v)² / sum of v², v being the eigenvalues of the outputs' covariance: the
effective rank R_0 of Bartlett, Long, Lugosi and Tsigler, "Benign overfitting in linear regression", 2020. The entropy
rank of Roy and Vetterli, "The effective rank", 2007, needs the eigenvalues themselves, which take 17 times as long
(22 layers: 2.2 ms against 0.13 ms), make an accelerator wait, and hang on the size of the sample much more. Both are 1
where all outputs lie on a line and the number of units where they spread evenly; this one is the smaller of the two.

The sample has at most ``ROWS`` rows and ``UNITS`` units, so that no more than ``ROWS`` - 1 can come out, and of a layer
that spreads evenly over as many units about half as much: what tells is a fall. Looked at are layers with weights of
their own, the rest puts out what those make of it; of more than ``AT_ONCE`` some at each record, in turn. Of a layer
that runs several times in a step the first run counts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from trainvitals_hooks.looking.forward import first_tensor
from trainvitals_hooks.looking.listener import Listener
from trainvitals_hooks.looking.modules import audible_leaves
from trainvitals_hooks.looking.rotation import Rotation
from trainvitals_hooks.looking.row_sampling import RowSampling
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime

ROWS = 64
"""Twice the directions that a layer of a healthy network commonly spreads over, by this measure, or more."""
UNITS = 64
FEWEST_ROWS = 8
"""Fewer examples spread over next to nothing, whatever the layer does."""
FEWEST_UNITS = 2
ROUNDING = 1e-6
"""Spread over size, both as norms, below which outputs are the same but for rounding: eight times float32's."""


class EffectiveRank(Probe):
    """Effective rank of the outputs of the given modules.

    Args:
        layers: name and module. own: told of the time inside the hooks. on_error: told of what goes wrong there.
    """

    name = "effective_rank"
    writes = ("effective_rank",)
    hears_modules = True

    def __init__(
        self,
        layers: Sequence[tuple[str, nn.Module]],
        own: OwnTime,
        on_error: Callable[[Probe, Exception], None],
    ) -> None:
        self._names = [name for name, _ in layers]
        self._modules = [module for _, module in layers]
        self._unit_axes = [_unit_axis(module) for module in self._modules]
        self._listeners = [
            Listener(module, partial(self._hear, number), own, lambda error: on_error(self, error))
            for number, module in enumerate(self._modules)
        ]
        self._rotation = Rotation(len(layers))
        self._samplings: dict[int, RowSampling] = {}
        self._handles: list[RemovableHandle] = []
        self._heard: dict[int, Tensor] = {}

    @classmethod
    def of(cls, context: Context) -> Self:
        leaves = audible_leaves(context.model, context.selected)
        with_weights = [(name, module) for name, module in leaves if any(True for _ in module.parameters())]
        return cls(with_weights, context.own, context.on_error)

    def arm(self) -> None:
        self.disarm()
        self._handles = [
            self._modules[number].register_forward_hook(self._listeners[number]) for number in self._rotation.next()
        ]

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        alike: dict[tuple[torch.device, int], list[int]] = {}
        for number, sample in self._heard.items():
            alike.setdefault((sample.device, len(sample)), []).append(number)
        names = tuple(self._names[number] for group in alike.values() for number in group)
        measured = [_measured(torch.stack([self._heard[number] for number in group])) for group in alike.values()]
        self._heard = {}

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            squares, spread, size = np.concatenate([array.reshape(3, -1) for array in arrays], axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                rank = np.where(spread <= ROUNDING * size, 0.0, 1 / squares**2)
            return layer_tags("effective_rank", names), rank

        return [Reading(measured, finish)] if names else ()

    def disarm(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._heard = {}

    def _hear(self, number: int, _: Any, output: object) -> None:
        tensor = first_tensor(output)
        axis = self._unit_axes[number]
        if number in self._heard or type(tensor) is not Tensor or tensor.ndim < max(2, -axis) or not tensor.numel():
            return
        sampling = self._samplings.get(number)
        if sampling is None or sampling.shape != tensor.shape:
            sampling = self._samplings[number] = RowSampling.of(tensor, axis, ROWS, UNITS)
        if sampling.rows >= FEWEST_ROWS and sampling.units >= FEWEST_UNITS:
            # Units that are not there put out zero, which adds no direction. A copy either way.
            sample = sampling.of_tensor(tensor).to(torch.float32, copy=sampling.units == UNITS)
            missing = UNITS - sampling.units
            self._heard[number] = nn.functional.pad(sample, (0, missing)) if missing else sample


def _measured(outputs: Tensor) -> Tensor:
    """Of outputs ``[L, rows, units]`` three numbers a layer, ``[3 * L]``.

    They are the norm of the covariance where its trace is 1, the norm of the centred outputs and that of the outputs.
    """
    size = torch.linalg.vector_norm(outputs, dim=(1, 2))
    outputs -= outputs.mean(1, keepdim=True)
    spread = torch.linalg.vector_norm(outputs, dim=(1, 2))
    # Made a size of 1 first: squares of squares leave the range of float32.
    outputs /= spread[:, None, None].clamp_min(torch.finfo(spread.dtype).tiny)
    squares = torch.linalg.vector_norm(torch.bmm(outputs.mT, outputs), dim=(1, 2))
    return torch.cat((squares, spread, size))


def _unit_axis(module: nn.Module) -> int:
    """The axis of a layer's output along which its units lie, from the end: the channels of a convolution."""
    return -1 - len(module.kernel_size) if isinstance(module, _ConvNd) else -1
