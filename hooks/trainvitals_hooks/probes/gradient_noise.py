"""The gradient noise scale: the batch size up to which larger batches help about as much as more steps.

It is ``tr(S) / |G|^2``, the variance of the gradient of one sample over the true gradient's square (McCandlish et al.
2018, "An empirical model of large-batch training", appendix A.1). Where gradients are accumulated, a recorded step has
the gradients of several micro-batches of ``b`` samples and their mean, a batch of ``k b``. Both squares are too large
by the variance over their batch size, which gives an unbiased estimate of each part. The last micro-batch is left out:
its gradient may be clipped by the time it is seen. So at least three are needed.

Without accumulation there is the proxy of ``adam_state``.

Numerator and denominator are averaged over records before they are divided: each alone may be negative by chance. A
sample is an entry of the leading axis of the model's first input. All squares are those of a sample of the gradient.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from trainvitals import tags
from trainvitals_hooks.looking.gradient_sample import GradientSample
from trainvitals_hooks.looking.listener import Listener
from trainvitals_hooks.looking.noise_scale import NoiseScale
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.recording.own_time import OwnTime

FEWEST, MOST = 2, 8
"""Micro-batches that are compared: each costs a copy of the sample of the gradient."""


class GradientNoise(Probe):
    """One number a record, of trainings with one optimizer that accumulate gradients.

    With several processes ``gradient_exchange`` measures the same.
    """

    name = "gradient_noise"
    writes = (tags.GRADIENT_NOISE_SCALE,)
    hears_modules = True

    def __init__(
        self,
        model: nn.Module,
        owners: Owners,
        own: OwnTime,
        on_error: Callable[[Probe, Exception], None],
        *,
        alone: bool,
    ) -> None:
        self._model = model
        self._sample = GradientSample(next(iter(owners))) if alone and len(owners) == 1 else None
        self._listener = Listener(model, self._begin_pass, own, lambda error: on_error(self, error))
        self._handle: RemovableHandle | None = None
        self._passes = self._samples_a_batch = 0
        self._sums: list[Tensor] = []
        self._scale = NoiseScale()

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.owners, context.own, context.on_error, alone=context.ranks.size == 1)

    def arm(self) -> None:
        self._passes, self._sums = 0, []
        if self._sample is not None:
            self._sample.choose()
            if self._handle is None:
                self._handle = self._model.register_forward_pre_hook(self._listener, with_kwargs=True)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        sums, self._sums = self._sums, []
        if self._sample is None or len(sums) < FEWEST:
            return ()
        parts = [sums[0], *(later - sooner for sooner, later in pairwise(sums))]
        squares = [self._sample.product(part, part) for part in (sums[-1], *parts)]
        return [Reading([torch.stack(squares)], self._finish_batches(self._samples_a_batch))]

    def disarm(self) -> None:
        self._sums = []
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _begin_pass(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Before the forward pass of a micro-batch: the gradients are those of the micro-batches before it."""
        self._passes += 1
        if self._passes == 1:
            # What is there now is the gradient of the step before.
            self._samples_a_batch = _leading_axis((arguments, keywords))
        elif self._sample is not None and len(self._sums) < MOST and self._samples_a_batch:
            taken = self._sample.take()
            if taken is not None:
                self._sums.append(taken)

    def _finish_batches(self, samples: int) -> Callable[[list[NDArray[np.float64]]], Named]:
        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            together, parts = arrays[0][0], arrays[0][1:]
            count = len(parts)
            # No gradient came between two forward passes: they belong to one batch.
            if not parts.all():
                return named({})
            large = float(together) / count**2
            scale = self._scale.add(float(parts.mean()), samples, large, count * samples)
            return named({} if scale is None else {tags.GRADIENT_NOISE_SCALE: scale})

        return finish


def _leading_axis(value: object) -> int:
    """The length of the first axis of the first tensor in here; 0 where there is none."""
    if isinstance(value, Tensor):
        return len(value) if value.dim() else 0
    parts: Any = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return next((length for part in parts if (length := _leading_axis(part))), 0)
