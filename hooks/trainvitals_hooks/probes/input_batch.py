"""What the model is fed: mean, spread and extremes of the input, and whether it was fed before.

Looked at is the first tensor of real numbers that the model gets, or else the first of whole numbers (token ids, which
have no mean worth recording); its first axis counts the examples. All numbers are of a sample: up to ``MOST_EXAMPLES``
examples, and of each the same places. An example is seen before if an earlier *recorded* batch held it. So in the n-th
pass over shuffled data that share is about ``1 - (1 - 1 / every) ** (n - 1)``, and near 1 where the same batches come
again and again; an example that is augmented, or padded to another length, is never the same. Of several forward passes
in a step the first counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from trainvitals import tags
from trainvitals_hooks.fingerprints import HALF_BITS, Remembered, fingerprints, joined
from trainvitals_hooks.forward import ModuleHook
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.reading import Named, Reading, named
from trainvitals_hooks.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.own_time import OwnTime

MOST_EXAMPLES = 256
"""The share of examples seen before comes out within 3 percent (sqrt(0.25 / 256)) of that of a larger batch."""
ELEMENTS = 4096
"""Elements in all, where the examples are few: mean and spread come out within 2 percent of a standard deviation."""
FEWEST_OF_AN_EXAMPLE = 128
"""Elements of an example, however many there are: so many tell images of two colours apart."""
FEWEST_IDS = 8
"""A handful of ids is no example that one could know again: every class has been seen before."""


class InputBatch(Probe):
    """Statistics and fingerprints of the batch that goes into the model."""

    name = "input_batch"
    writes = (tags.BATCH_MEAN, tags.BATCH_STD, tags.BATCH_ABS_MAX, tags.BATCH_CHECKSUM, tags.BATCH_SEEN_BEFORE)
    hears_modules = True

    def __init__(self, model: nn.Module, own: OwnTime, on_error: Callable[[Probe, Exception], None]) -> None:
        self._reading: Reading | None = None
        self._picked = _Picked()
        self._remembered = Remembered()
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
        if self._reading is not None:
            return
        batch = first_input(args, kwargs)
        if batch is None:
            return
        if len(self._entrances) > 1:
            self._entrances = [entrance]
        values = self._picked.of(batch)
        whole = not values.is_floating_point()
        known = values.shape[1] >= FEWEST_IDS or not whole
        numbers = fingerprints(values)
        if whole:
            self._reading = Reading([numbers], lambda arrays: named(self._identity(arrays[0], known)))
            return
        count = values.numel()
        mean = values.mean()
        spread = torch.linalg.vector_norm(values - mean)
        statistics = torch.stack((mean, spread, *torch.aminmax(values)))

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            mean, spread, low, high = arrays[1].tolist()
            moments = {
                tags.BATCH_MEAN: mean,
                tags.BATCH_STD: spread / sqrt(count),
                tags.BATCH_ABS_MAX: max(-low, high),
            }
            return named(moments | self._identity(arrays[0], known))

        self._reading = Reading([numbers, statistics], finish)

    def _identity(self, halves: NDArray[np.float64], known: bool) -> dict[str, float]:
        identity = {tags.BATCH_CHECKSUM: float(zlib.crc32(joined(halves).tobytes()) % 2**HALF_BITS)}
        if known:
            identity[tags.BATCH_SEEN_BEFORE] = self._remembered.share_seen(halves)
        return identity


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
        self._sampling: Sampling | None = None

    def of(self, batch: Tensor) -> Tensor:
        """Values ``[B, K]``, contiguous, as float32 or as whole numbers."""
        batch = batch.detach()
        if batch.dim() < 2:
            batch = batch.reshape(-1, 1)
        step = ceil(len(batch) / MOST_EXAMPLES)
        if step > 1:
            batch = batch[::step]
        # What the first batch had room for: the last batch of a pass is often a smaller one.
        self._limit = self._limit or min(max(ELEMENTS // len(batch), FEWEST_OF_AN_EXAMPLE), ELEMENTS)
        example = batch[0]
        if self._sampling is None or not self._sampling.fits(example):
            self._sampling = Sampling.of(example, self._limit)
        if self._sampling.dense:
            size, stride = self._sampling.size, self._sampling.stride
            batch = batch.as_strided((len(batch), size), (batch.stride(0), stride))
        else:
            batch = _thinned(batch, self._limit)
        return batch.to(torch.float32 if batch.is_floating_point() else torch.int64).contiguous()


def _thinned(batch: Tensor, limit: int) -> Tensor:
    """At most ``limit`` elements of each example, evenly along every axis, without copying the rest."""
    most_on_an_axis = max(int(limit ** (1 / (batch.dim() - 1))), 1)
    steps = (slice(None, None, ceil(size / most_on_an_axis) or 1) for size in batch.shape[1:])
    return batch[(slice(None), *steps)].flatten(1)


def first_input(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The first tensor of real numbers, else the first of whole numbers; masks are neither."""
    whole = None
    for tensor in _tensors((args, kwargs)):
        if tensor.is_floating_point():
            return tensor
        if whole is None and not tensor.is_complex() and tensor.dtype != torch.bool:
            whole = tensor
    return whole


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if type(value) is Tensor and value.layout == torch.strided and value.numel():
            yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if "mask" not in str(name):
                yield from _tensors(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
