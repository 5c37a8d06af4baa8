"""Mean, standard deviation, largest absolute value and share of zeros of each layer's output.

A forward hook copies a sample of the output into a row of a matrix, and nothing else: the statistics are computed once,
over all rows, after the step. A copy is needed because a later operation may change the output in place. The hooks are
on the model only for the steps that are recorded. Of a module that runs several times in a step the last run counts.
The largest value is that of the sample, which is smaller than the true one.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from trainvitals_hooks.looking.forward import ModuleHook, Switch, first_tensor
from trainvitals_hooks.looking.modules import audible_leaves
from trainvitals_hooks.looking.sampling import SAMPLE, Sampling
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from trainvitals_hooks.recording.own_time import OwnTime

KINDS = ("activation_mean", "activation_std", "activation_abs_max", "activation_zero_fraction")
FEWEST_ELEMENTS = 2
"""One number has no spread: it is a loss, not an activation."""


class Activations(Probe):
    """Statistics of the outputs of the given modules.

    Args:
        leaves: name and module. own: told of the time inside the hooks. on_error: told of what goes wrong there.
    """

    name = "activations"
    writes = KINDS
    hears_modules = True

    def __init__(
        self,
        leaves: Sequence[tuple[str, nn.Module]],
        own: OwnTime,
        on_error: Callable[[Probe, Exception], None],
    ) -> None:
        self._names = [name for name, _ in leaves]
        self._modules = [module for _, module in leaves]
        self._rows = _Rows(len(leaves))
        self._hooks = [
            _Listener(module, row, self._rows, own, lambda error: on_error(self, error))
            for row, module in enumerate(self._modules)
        ]
        self._switches = [Switch(module, hook) for module, hook in zip(self._modules, self._hooks, strict=True)]

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(audible_leaves(context.model, context.selected), context.own, context.on_error)

    def arm(self) -> None:
        self._rows.forget()
        for switch in self._switches:
            switch.on()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        return [self._reading(taken) for taken in self._rows.take()]

    def disarm(self) -> None:
        for switch in self._switches:
            switch.off()
        self._rows.forget()

    def _reading(self, taken: _Taken) -> Reading:
        sample, filled = taken.matrix.sample, taken.matrix.filled
        count = taken.matrix.count
        mean = sample.sum(1) / count
        # Not from the mean square: that cancels where the mean is much larger than the spread.
        spread = torch.linalg.vector_norm((sample - mean[:, None]) * filled, dim=1) / count.sqrt()
        largest = sample.abs().amax(1)
        zeros = 1 - torch.count_nonzero(sample, 1) / count
        names = tuple(self._names[row] for row in taken.rows)

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            columns = arrays[0].reshape(len(KINDS), -1)[:, taken.rows]
            return tuple(tag for kind in KINDS for tag in layer_tags(kind, names)), columns.ravel()

        return Reading([torch.cat((mean, spread, largest, zeros))], finish)


class _Matrix:
    """A sample of up to ``SAMPLE`` elements for each module; behind a shorter one stand zeros.

    Args:
        sample: ``[M, SAMPLE]``. filled: ``[M, SAMPLE]``, 1 where there is a sample. count: ``[M]``, at least 1.
    """

    def __init__(self, modules: int, device: torch.device) -> None:
        self.sample = torch.zeros(modules, SAMPLE, device=device)
        self.filled = torch.zeros(modules, SAMPLE, device=device)
        self.count = torch.ones(modules, device=device)

    def row(self, number: int, size: int) -> Tensor:
        """The place for a sample of this size."""
        self.sample[number].zero_()
        self.filled[number].zero_()
        self.filled[number, :size].fill_(1)
        self.count[number].fill_(size)
        return self.sample[number, :size]


@dataclass(frozen=True, slots=True)
class _Taken:
    """The rows that were written in this step on one device."""

    rows: list[int]
    matrix: _Matrix


class _Rows:
    """A matrix for each device, and which of its rows were written."""

    def __init__(self, modules: int) -> None:
        self._modules = modules
        self._matrices: dict[torch.device, _Matrix] = {}
        self.written: dict[int, torch.device] = {}

    def row(self, device: torch.device, number: int, size: int) -> Tensor:
        if device not in self._matrices:
            self._matrices[device] = _Matrix(self._modules, device)
        return self._matrices[device].row(number, size)

    def forget(self) -> None:
        self.written.clear()

    def take(self) -> list[_Taken]:
        """What was written since the last call, for each device."""
        taken = [
            _Taken(sorted(row for row, where in self.written.items() if where == device), matrix)
            for device, matrix in self._matrices.items()
        ]
        self.forget()
        return [each for each in taken if each.rows]


class _Listener(ModuleHook):
    """Copies a sample of one module's output into its row."""

    def __init__(
        self, module: nn.Module, number: int, rows: _Rows, own: OwnTime, on_error: Callable[[Exception], None]
    ) -> None:
        super().__init__(module)
        self._number = number
        self._rows = rows
        self._own = own
        self._on_error = on_error
        self._sampling: Sampling | None = None
        self._device: torch.device | None = None
        self._target: Tensor | None = None

    def __call__(self, module: nn.Module, _: Any, output: object) -> None:
        if not self.concerns(module):
            return
        # There is one of these for each layer: as few calls as possible.
        began_s = perf_counter()
        try:
            tensor = output if type(output) is Tensor and output.is_floating_point() else first_tensor(output)
            if type(tensor) is Tensor:
                sampling, target = self._sampling, self._target
                device = tensor.device
                if sampling is None or target is None or device != self._device or not sampling.fits(tensor):
                    sampling, target = self._prepare(tensor)
                if sampling is not None and target is not None:
                    target.copy_(sampling.of_tensor(tensor))
                    self._rows.written[self._number] = device
        except Exception as error:
            self._on_error(error)
        self._own.total_s += perf_counter() - began_s

    def _prepare(self, tensor: Tensor) -> tuple[Sampling, Tensor] | tuple[None, None]:
        """How to sample outputs like this one, and where to."""
        if tensor.numel() < FEWEST_ELEMENTS:
            return None, None
        self._sampling, self._device = Sampling.of(tensor), tensor.device
        self._target = self._rows.row(tensor.device, self._number, self._sampling.size)
        return self._sampling, self._target
