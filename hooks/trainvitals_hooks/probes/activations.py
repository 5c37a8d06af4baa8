"""Mean, standard deviation, largest absolute value and share of zeros of each layer's output.

A forward hook copies a sample of the output into a row of a matrix, and nothing else: the statistics are computed once,
over all rows, after the step. A copy is needed because a later operation may change the output in place. The hooks are
on the model only for the steps that are recorded. Of a module that runs several times in a step the last run counts.
The largest value is that of the sample, which is smaller than the true one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainvitals_hooks.looking.forward import ModuleHook, Switch, first_tensor
from trainvitals_hooks.looking.modules import audible_leaves
from trainvitals_hooks.looking.sampling import SAMPLE, Sampling
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer

    from trainvitals_hooks.recording.own_time import OwnTime

KINDS = ("activation_mean", "activation_std", "activation_abs_max", "activation_zero_fraction")
FEWEST_ELEMENTS = 2
"""One number has no spread: it is a loss, not an activation."""
INDICES_KEPT = 64
"""One for each size of an output; of batches of ever other lengths the newest."""


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
        self._tags: tuple[list[int], tuple[str, ...]] | None = None
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
        # A copy: the next batch may be of another size, and be there before this record is written.
        rows, sizes = taken.rows, taken.matrix.sizes.copy()

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            total, squares, largest, other_than_zero = arrays[0].reshape(len(KINDS), -1)
            columns = np.array((total / sizes, np.sqrt(squares / sizes), largest, 1 - other_than_zero / sizes))
            if len(rows) < len(sizes):
                columns = columns[:, rows]
            return self._tags_of(rows), columns.ravel()

        return Reading([taken.matrix.sums()], finish)

    def _tags_of(self, rows: list[int]) -> tuple[str, ...]:
        if self._tags is None or self._tags[0] != rows:
            names = tuple(self._names[row] for row in rows)
            self._tags = rows, tuple(tag for kind in KINDS for tag in layer_tags(kind, names))
        return self._tags[1]


class _Matrix:
    """A sample of up to ``SAMPLE`` elements for each module; behind a shorter one stand zeros.

    Args:
        sample: ``[M, SAMPLE]``. filled: ``[M, SAMPLE]``, 1 where there is a sample. sizes: ``[M]``, at least 1.
    """

    def __init__(self, modules: int, device: torch.device) -> None:
        self.sample = torch.zeros(modules, SAMPLE, device=device)
        self.filled = torch.zeros(modules, SAMPLE, device=device)
        self.sizes = np.ones(modules)
        self._count = torch.ones(modules, 1, device=device)
        # In main memory numpy takes half the time.
        self._on_host = self.sample.numpy() if self.sample.is_cpu else None
        self._scratch = None if self._on_host is None else np.empty_like(self._on_host)

    def sums(self) -> Tensor:
        """``[4 M]`` of the rows: sum, sum of squares around the mean, largest absolute value, how many are not zero."""
        # Not from the mean square: that cancels where the mean is much larger than the spread.
        sample, scratch = self._on_host, self._scratch
        if sample is None or scratch is None:
            total = self.sample.sum(1, keepdim=True)
            around = torch.addcmul(self.sample, total / self._count, self.filled, value=-1)
            largest, others = self.sample.abs().amax(1), self.sample.ne(0).sum(1)
            return torch.cat((total[:, 0], around.square_().sum(1), largest, others))
        sums = np.empty((len(KINDS), len(sample)), np.float32)
        with np.errstate(all="ignore"):
            mean = np.add.reduce(sample, 1, out=sums[0]) / self._count.numpy()[:, 0]
            np.subtract(sample, mean[:, None], out=scratch)
            np.multiply(scratch, self.filled.numpy(), out=scratch)
            np.multiply(scratch, scratch, out=scratch)
            np.add.reduce(scratch, 1, out=sums[1])
            np.absolute(sample, out=scratch)
            np.maximum.reduce(scratch, 1, out=sums[2])
            np.not_equal(sample, 0, out=scratch)
            np.add.reduce(scratch, 1, out=sums[3])
        return torch.from_numpy(sums).flatten()

    def row(self, number: int, size: int) -> Tensor:
        """The place for a sample of this size."""
        self.sample[number].zero_()
        self.filled[number].zero_()
        self.filled[number, :size].fill_(1)
        self._count[number].fill_(size)
        self.sizes[number] = size
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
        self.index = lru_cache(maxsize=INDICES_KEPT)(_index)
        """The places of a sample, shared by all modules with outputs of the same size."""
        self.written: dict[int, torch.device] = {}

    def row(self, device: torch.device, number: int, size: int) -> Tensor:
        if device not in self._matrices:
            self._matrices[device] = _Matrix(self._modules, device)
        return self._matrices[device].row(number, size)

    def forget(self) -> None:
        self.written.clear()

    def take(self) -> list[_Taken]:
        """What was written since the last call, for each device."""
        rows_on: dict[torch.device, list[int]] = {}
        for row, device in sorted(self.written.items()):
            rows_on.setdefault(device, []).append(row)
        self.forget()
        return [_Taken(rows, self._matrices[device]) for device, rows in rows_on.items()]


def _index(device: torch.device, sampling: Sampling) -> Tensor:
    return torch.arange(sampling.size, device=device) * sampling.stride


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
        self._shape: torch.Size | None = None
        self._device: torch.device | None = None
        self._index: Tensor | None = None
        self._row = torch.empty(0)

    def __call__(self, module: nn.Module, _: Any, output: object) -> None:
        if not self.concerns(module):
            return
        # There is one of these for each layer: as few calls as possible.
        began_s = perf_counter()
        try:
            tensor = output if type(output) is Tensor and output.is_floating_point() else first_tensor(output)
            if type(tensor) is Tensor:
                device = tensor.device
                if tensor.shape != self._shape or device != self._device:
                    self._prepare(tensor)
                if self._index is not None:
                    tensor = tensor.detach()
                    if tensor.dtype is torch.float32:
                        torch.take(tensor, self._index, out=self._row)
                    else:
                        self._row.copy_(torch.take(tensor, self._index))
                    self._rows.written[self._number] = device
        except Exception as error:
            self._on_error(error)
        self._own.total_s += perf_counter() - began_s

    def _prepare(self, tensor: Tensor) -> None:
        """Choose what to take of outputs like this one, and where to put it."""
        self._shape, self._device, self._index = tensor.shape, tensor.device, None
        if tensor.numel() >= FEWEST_ELEMENTS:
            sampling = Sampling.of(tensor)
            self._index = self._rows.index(tensor.device, sampling)
            self._row = self._rows.row(tensor.device, self._number, sampling.size)
