"""What replicas (DistributedDataParallel) know before and after they exchange their gradients.

A hook on each parameter sees the gradient of this rank's own batch, before the exchange; the end of the backward pass,
that of all ranks, before anybody clips it. Their norms, those of a sample, give the gradient noise scale. Both carry
the same factor where the loss is scaled or divided by the number of micro-batches, which the ratio does not know.

From the last gradient of its own to the end of the exchange a rank waits: for slower ranks, and for what of the
exchange the backward pass does not hide. Whoever waits least is the slowest rank, and has waited for the exchange
alone. On an accelerator the host does not wait, so no time is taken there. The communication hook is the person's.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainvitals import tags
from trainvitals_hooks.looking.forward import ModuleHook, first_tensor
from trainvitals_hooks.looking.noise_scale import NoiseScale
from trainvitals_hooks.looking.norms import norms
from trainvitals_hooks.looking.sampling import Sampling
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.processes.shared_reading import SharedReading, nothing
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.processes.shared_reading import Arrays
    from trainvitals_hooks.recording.own_time import OwnTime


class GradientExchange(Probe):
    """Gradient noise scale, and the time that each rank waits for the others."""

    name = "gradient_exchange"
    writes = (tags.GRADIENT_NOISE_SCALE, tags.COMMUNICATION_TIME_S)
    hears_modules = True
    runs_on = "several"

    def __init__(self, model: nn.Module, own: OwnTime, on_error: Callable[[Probe, Exception], None]) -> None:
        self._model = model
        self._exchange = _Exchange(model, own, lambda error: on_error(self, error))
        self._noise_scale = NoiseScale()
        self._handle: RemovableHandle | None = None

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.own, context.on_error)

    def arm(self) -> None:
        self._exchange.forget()
        if self._handle is None:
            self._handle = self._model.register_forward_pre_hook(self._exchange, with_kwargs=True)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        seen = self._exchange.take()
        return [] if seen is None else [SharedReading(seen, nothing, (self.name,), self._conclude)]

    def disarm(self) -> None:
        self._exchange.forget()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _conclude(self, parts: Mapping[int, Arrays]) -> Named:
        found: dict[str, float] = {}
        waits_s = {rank: float(arrays[2][_WAITED]) for rank, arrays in sorted(parts.items())}
        if np.isfinite(list(waits_s.values())).all():
            found = {tags.of_rank(tags.COMMUNICATION_TIME_S, rank): wait_s for rank, wait_s in waits_s.items()}
            found[tags.COMMUNICATION_TIME_S] = min(waits_s.values())
        _, reduced, facts = parts[min(parts)]
        passes, batch, ranks = float(facts[_PASSES]), float(facts[_BATCH]), float(facts[_RANKS])
        small = float(np.mean([arrays[0][0] ** 2 for arrays in parts.values()])) / passes
        large = (float(reduced[0]) / passes) ** 2
        if batch > 0 and np.isfinite(small) and np.isfinite(large):
            scale = self._noise_scale.add(small, batch, large, batch * passes * ranks)
            if scale is not None:
                found[tags.GRADIENT_NOISE_SCALE] = scale
        return named(found)


_WAITED, _PASSES, _BATCH, _RANKS = range(4)


class _Exchange(ModuleHook):
    """Called before each forward pass of a replica; looks at its gradients before and after they are exchanged."""

    def __init__(self, model: nn.Module, own: OwnTime, on_error: Callable[[Exception], None]) -> None:
        super().__init__(model)
        self._own = own
        self._on_error = on_error
        self._parameters: list[nn.Parameter] = []
        self._handles: list[RemovableHandle] = []
        self._samplings: dict[int, Sampling] = {}
        self.forget()

    def forget(self) -> None:
        """Take the hooks off the parameters, and start anew."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._local: list[Tensor] = []
        self._scales: list[float] = []
        self._seen: set[int] = set()
        self._batches: list[int] = []
        self._exchanges = self._in_backward = self._is_odd = False
        self._ranks = self._passes = 0
        self._last_s = 0.0
        self._result: list[Tensor] | None = None

    def take(self) -> list[Tensor] | None:
        """Norms of this rank's gradients and of the exchanged one, and the facts; None without an exchange."""
        result = None if self._is_odd else self._result
        self.forget()
        return result

    def __call__(self, module: nn.Module, arguments: Any, keywords: Any) -> None:
        replica = getattr(DistributedDataParallel, "_active_ddp_module", None)
        if replica is None or not self.concerns(module) or not torch.is_grad_enabled():
            return
        self._exchanges = replica.require_backward_grad_sync
        self._ranks = replica.process_group.size()
        fed = first_fed(arguments, keywords)
        self._batches.append(0 if fed is None or not fed.dim() else len(fed))
        if not self._handles:
            self._parameters = [each for each in module.parameters() if each.requires_grad]
            self._handles = [
                each.register_hook(_OfParameter(self, number)) for number, each in enumerate(self._parameters)
            ]

    def saw(self, number: int, gradient: Tensor) -> None:
        """The gradient of one parameter, of this rank and this backward pass."""
        self._own.enter()
        try:
            if not self._in_backward:
                self._in_backward = True
                self._seen.clear()
                _at_the_end_of_backward(self._before_the_exchange_ends)
            # A block that is computed twice gives its gradient in two parts.
            self._is_odd |= number in self._seen or gradient.layout != torch.strided
            self._seen.add(number)
            if not self._is_odd:
                sample, scale = self._sample(number, gradient)
                self._local.append(torch.linalg.vector_norm(sample, dtype=torch.float32))
                self._scales.append(scale)
        except Exception as error:
            self._on_error(error)
        finally:
            self._own.leave()
            self._last_s = perf_counter()

    def _sample(self, number: int, gradient: Tensor) -> tuple[Tensor, float]:
        """A sample of a parameter's gradient, and the factor from its norm to that of the whole."""
        sampling = self._samplings.get(number)
        if sampling is None or not sampling.fits(gradient):
            sampling = self._samplings[number] = Sampling.of(gradient)
        return sampling.of_tensor(gradient), math.sqrt(gradient.numel() / max(sampling.size, 1))

    def _before_the_exchange_ends(self) -> None:
        # What DistributedDataParallel has put behind this function comes before what is put there now.
        _at_the_end_of_backward(self._after_the_exchange)

    def _after_the_exchange(self) -> None:
        waited_s = perf_counter() - self._last_s
        self._own.enter()
        try:
            self._in_backward = False
            self._passes += 1
            if self._exchanges and self._local and not self._is_odd:
                self._measure(waited_s)
        except Exception as error:
            self._on_error(error)
        finally:
            self._own.leave()

    def _measure(self, waited_s: float) -> None:
        gradients = [
            self._sample(number, each.grad) for number, each in enumerate(self._parameters) if each.grad is not None
        ]
        samples, scales = [sample for sample, _ in gradients], [scale for _, scale in gradients]
        if any(not sample.is_cpu for sample in samples):
            waited_s = np.nan
        with torch.no_grad():
            of_each = torch.stack(torch._foreach_mul(self._local, self._scales))
            local = torch.linalg.vector_norm(of_each).reshape(1)
            exchanged = torch.linalg.vector_norm(torch.cat(norms(torch._foreach_mul(samples, scales))[0])).reshape(1)
        batch = float(np.mean(self._batches)) if all(self._batches) else 0.0
        self._result = [local, exchanged, torch.tensor([waited_s, self._passes, batch, self._ranks])]


class _OfParameter:
    """The hook of one parameter; it changes nothing."""

    __slots__ = ("_exchange", "_number")

    def __init__(self, exchange: _Exchange, number: int) -> None:
        self._exchange = exchange
        self._number = number

    def __call__(self, gradient: Tensor) -> None:
        self._exchange.saw(self._number, gradient)


def first_fed(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Tensor | None:
    """The first tensor that a module is given, of whatever kind."""
    for each in (*arguments, *keywords.values()):
        if isinstance(each, Tensor):
            return each
        if (inside := first_tensor(each)) is not None:
            return inside
    return None


def _at_the_end_of_backward(function: Callable[[], None]) -> None:
    torch.autograd.Variable._execution_engine.queue_callback(function)
