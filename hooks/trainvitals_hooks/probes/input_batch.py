"""What the model is fed: mean, spread and extremes of the input, and whether it was fed before.

Looked at is the first tensor of real numbers that the model gets, or else the first of whole numbers (token ids, which
have no mean worth recording); its first axis counts the examples. One kernel collects a sample, the same places of at
most ``MOST_EXAMPLES`` examples, and the host looks at it. An example is seen before if an earlier *recorded* batch held
it. So in the n-th pass over shuffled data that share is about ``1 - (1 - 1 / every) ** (n - 1)``, and near 1 where the
same batches come again and again; an example that is augmented, or padded to another length, is never the same. Of
several forward passes in a step the first counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Size, Tensor, nn

from trainvitals import tags
from trainvitals_hooks.looking.forward import ModuleHook
from trainvitals_hooks.looking.sampling import Sampling
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime

MOST_EXAMPLES = 32
"""The share of examples seen before comes out within 9 percent (sqrt(0.25 / 32)) of that of a larger batch."""
ELEMENTS = 2048
"""Elements in all: the mean comes out within 2.2 percent of a standard deviation (1 / sqrt(2048))."""
FEWEST_IDS = 8
"""A handful of ids is no example that one could know again: every class has been seen before."""

REMEMBERED = 2**15
"""Examples remembered at least, and at most twice as many: 5 MB. Of a larger data set some are forgotten, and the share
of examples seen before comes out too small."""
CHECKSUM_BITS = 24
"""A whole number of so many bits is exact as float32, in which numbers are recorded."""


class InputBatch(Probe):
    """Statistics and fingerprints of the batch that goes into the model."""

    name = "input_batch"
    writes = (tags.BATCH_MEAN, tags.BATCH_STD, tags.BATCH_ABS_MAX, tags.BATCH_CHECKSUM, tags.BATCH_SEEN_BEFORE)
    hears_modules = True

    def __init__(self, model: nn.Module, own: OwnTime, on_error: Callable[[Probe, Exception], None]) -> None:
        self._reading: Reading | None = None
        self._picked = _Picked()
        self._seen = _Seen()
        # A model whose own forward is not called, as with Lightning's modules, is entered through one of its children.
        self._entrances = [
            _Entrance(module, self._take, own, lambda error: on_error(self, error))
            for module in (model, *model.children())
        ]
        self._handles: list[RemovableHandle] = []

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.own, context.on_error)

    def arm(self) -> None:
        self._reading = None
        if len(self._handles) != len(self._entrances):
            self.disarm()
            self._handles = [entrance.attach() for entrance in self._entrances]

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        reading, self._reading = self._reading, None
        return () if reading is None else (reading,)

    def disarm(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _take(self, entrance: _Entrance, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # A validation that leaves the model in training mode shows by having no gradients.
        if self._reading is not None or not torch.is_grad_enabled():
            return
        batch = first_input(args, kwargs)
        if batch is None:
            return
        if len(self._entrances) > 1:
            self._entrances = [entrance]
        values = self._picked.of(batch)
        identities = batch.is_floating_point() or values.shape[1] >= FEWEST_IDS
        moments = batch.is_floating_point()

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            sample = arrays[0].astype(np.float32).reshape(values.shape) if arrays else values.numpy()
            numbers = _moments(sample) if moments else {}
            content = sample.tobytes()
            numbers[tags.BATCH_CHECKSUM] = float(zlib.crc32(content) % 2**CHECKSUM_BITS)
            if identities:
                numbers[tags.BATCH_SEEN_BEFORE] = self._seen.share(content, len(sample))
            return named(numbers)

        # What is on the host already need not travel with the rest.
        self._reading = Reading([] if values.is_cpu else [values.flatten()], finish)


def _moments(sample: NDArray[np.float32]) -> dict[str, float]:
    values = sample.ravel()
    # From the first value on, in float64: the mean square would cancel where the mean is much larger than the spread.
    # The ufuncs themselves are called, because their wrappers cost as much as the work.
    distance = np.subtract(values, values[0], dtype=np.float64)
    mean = float(np.add.reduce(distance)) / len(values)
    return {
        tags.BATCH_MEAN: float(values[0]) + mean,
        tags.BATCH_STD: sqrt(max(float(distance.dot(distance)) / len(values) - mean * mean, 0.0)),
        tags.BATCH_ABS_MAX: float(np.maximum.reduce(np.absolute(values))),
    }


class _Seen:
    """The examples of earlier batches; when there are too many, the older ones are forgotten."""

    def __init__(self) -> None:
        self._older: set[int] = set()
        self._newer: set[int] = set()

    def share(self, content: bytes, examples: int) -> float:
        """The share of the different ones of these examples that were there before; remembers them.

        Args:
            content: of all of them, the same number of bytes each.
        """
        length = len(content) // examples
        each = {hash(content[first : first + length]) for first in range(0, len(content), length)}
        new = each.difference(self._newer, self._older)
        self._newer |= each
        if len(self._newer) > REMEMBERED:
            self._older, self._newer = self._newer, set()
        return 1 - len(new) / len(each)


class _Entrance(ModuleHook):
    """Hears what goes into one module."""

    def __init__(
        self,
        module: nn.Module,
        take: Callable[[_Entrance, tuple[Any, ...], dict[str, Any]], None],
        own: OwnTime,
        on_error: Callable[[Exception], None],
    ) -> None:
        super().__init__(module)
        self._take = take
        self._own = own
        self._on_error = on_error

    def attach(self) -> RemovableHandle:
        return self._module.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.concerns(module):
            return
        self._own.enter()
        try:
            self._take(self, args, kwargs)
        except Exception as error:
            self._on_error(error)
        finally:
            self._own.leave()


class _Picked:
    """The same places of every example, batch after batch, whatever the number of examples in it."""

    def __init__(self) -> None:
        self._limit = 0
        self._alike: tuple[Size, tuple[int, ...]] | None = None
        self._view: tuple[tuple[int, int], tuple[int, int]] | None = None

    def of(self, batch: Tensor) -> Tensor:
        """A copy ``[B, K]`` of float32, in which token ids are exact up to 2^24."""
        batch = batch.detach()
        if batch.dim() < 2:
            batch = batch.reshape(-1, 1)
        alike = batch.shape, batch.stride()
        if alike != self._alike:
            self._alike, self._view = alike, self._dense(batch)
        picked = _thinned(batch, self._limit) if self._view is None else batch.as_strided(*self._view)
        return picked.to(torch.float32, copy=True, memory_format=torch.contiguous_format)

    def _dense(self, batch: Tensor) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Sizes and strides of the sample in the storage; None where an example does not fill its part of it."""
        apart = ceil(len(batch) / MOST_EXAMPLES)
        examples = ceil(len(batch) / apart)
        # What the first batch had room for: the last batch of a pass is often a smaller one.
        self._limit = self._limit or ELEMENTS // examples
        sampling = Sampling.of(batch[0], self._limit)
        if not sampling.dense:
            return None
        return (examples, sampling.size), (apart * batch.stride(0), sampling.stride)


def _thinned(batch: Tensor, limit: int) -> Tensor:
    """At most ``limit`` elements of each example, evenly along every axis, without copying the rest."""
    batch = batch[:: ceil(len(batch) / MOST_EXAMPLES)]
    most_on_an_axis = max(int(limit ** (1 / (batch.dim() - 1))), 1)
    steps = (slice(None, None, ceil(size / most_on_an_axis) or 1) for size in batch.shape[1:])
    return batch[(slice(None), *steps)].flatten(1)


def first_input(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The first tensor of real numbers, else the first of whole numbers; masks and single numbers are neither."""
    if args and type(first := args[0]) is Tensor and first.is_floating_point() and _has_numbers(first):
        # What most models get.
        return first
    whole = None
    for tensor in _tensors((args, kwargs)):
        if tensor.is_floating_point():
            return tensor
        if whole is None and not tensor.is_complex() and tensor.dtype != torch.bool:
            whole = tensor
    return whole


def _has_numbers(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.numel() > 1


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if type(value) is Tensor and _has_numbers(value):
            yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if "mask" not in str(name):
                yield from _tensors(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
