"""How long the forward passes, the backward passes and the update of a recorded step took.

A backward pass lasts from the end of a forward pass to the next one, or to the update; with micro-batches all passes
are added up. Where the passes run inside the update (a closure), or the updates inside the backward pass, or several
optimizers take turns, only the forward time can be told and is recorded.

On the host the monitor's own time is left out. On a CUDA device, which runs behind the host, events are put between the
work of the phases and read when the numbers of the step have arrived: nothing waits for them. Other accelerators, and
models spread over several devices, have none of these times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from trainvitals import tags
from trainvitals_hooks.looking.forward import in_backward
from trainvitals_hooks.looking.listener import Listener
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime

MILLISECOND_S = 1e-3


class PhaseTimes(Probe):
    """Times between the edges of the phases, which hooks on the model and the optimizer see."""

    name = "phase_times"
    writes = (tags.FORWARD_TIME_S, tags.BACKWARD_TIME_S, tags.OPTIMIZER_TIME_S)
    hears_modules = True

    def __init__(
        self,
        model: nn.Module,
        own: OwnTime,
        on_error: Callable[[Probe, Exception], None],
        *,
        one_optimizer: bool,
    ) -> None:
        self._model = model
        self._own = own
        self._begin = Listener(model, self._begin_forward, own, lambda error: on_error(self, error))
        self._end = Listener(model, self._end_forward, own, lambda error: on_error(self, error))
        self._one_optimizer = one_optimizer
        self._handles: list[RemovableHandle] = []
        self._clock: _HostClock | _DeviceClock | None = None
        self._phase: str | None = None
        self._since: Any = None
        self._passed: dict[str, list[tuple[Any, Any]]] = {}
        self._separable = one_optimizer

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.own, context.on_error, one_optimizer=len(context.optimizers) == 1)

    def arm(self) -> None:
        self._forget()
        if not self._handles:
            self._handles = [
                self._model.register_forward_pre_hook(self._begin),
                self._model.register_forward_hook(self._end),
            ]

    def before_update(self, optimizer: Optimizer) -> None:
        if self._phase == tags.OPTIMIZER_TIME_S:
            # The step of a subclass calls that of its parent.
            return
        if not self._one_optimizer or self._phase != tags.BACKWARD_TIME_S or in_backward():
            self._separable = False
            return
        self._enter(tags.OPTIMIZER_TIME_S)

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        if self._separable:
            self._enter(None)
        passed = {tag: spans for tag, spans in self._passed.items() if self._separable or tag == tags.FORWARD_TIME_S}
        clock = self._clock
        self._forget()
        if not passed or clock is None:
            return ()

        def finish(_: list[NDArray[np.float64]]) -> Named:
            times = {tag: [clock.seconds(*span) for span in spans] for tag, spans in passed.items()}
            return named({tag: sum(each) for tag, each in times.items()})

        return [Reading(clock.readable_with(), finish)]

    def disarm(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._forget()

    def _forget(self) -> None:
        self._phase, self._passed, self._separable = None, {}, self._one_optimizer

    def _begin_forward(self, *_: Any) -> None:
        if self._clock is None:
            self._clock = _clock_of(self._model, self._own)
        if self._phase == tags.OPTIMIZER_TIME_S:
            self._separable = False
        self._enter(tags.FORWARD_TIME_S)

    def _end_forward(self, *_: Any) -> None:
        if self._phase == tags.FORWARD_TIME_S:
            self._enter(tags.BACKWARD_TIME_S)

    def _enter(self, phase: str | None) -> None:
        """The phase before ends here. A forward pass that another one follows was broken off and does not count."""
        if self._clock is None:
            return
        now = self._clock.now()
        if self._phase is not None and not self._phase == phase == tags.FORWARD_TIME_S:
            self._passed.setdefault(self._phase, []).append((self._since, now))
        self._phase, self._since = phase, now


class _HostClock:
    """Of what the host does itself."""

    def __init__(self, own: OwnTime) -> None:
        self._own = own

    def now(self) -> float:
        return self._own.training_clock_s()

    def seconds(self, begin: float, end: float) -> float:
        return end - begin

    def readable_with(self) -> list[Tensor]:
        """What must have reached the host before spans can be read."""
        return []


class _DeviceClock:
    """Of what a CUDA device does: a moment is an event behind the work asked of it so far."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, begin: torch.cuda.Event, end: torch.cuda.Event) -> float:
        return float(begin.elapsed_time(end)) * MILLISECOND_S

    def readable_with(self) -> list[Tensor]:
        """A number that arrives when all that was asked of the device before it is done, the events too."""
        return [torch.empty(1, device=self._device)]


def _clock_of(model: nn.Module, own: OwnTime) -> _HostClock | _DeviceClock | None:
    """A clock where the whole model is, if there is one."""
    devices = {parameter.device for parameter in model.parameters()}
    if len(devices) != 1:
        return None
    device = devices.pop()
    if device.type == "cuda":
        return _DeviceClock(device)
    return _HostClock(own) if device.type == "cpu" else None
