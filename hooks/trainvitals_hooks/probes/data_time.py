"""How long the loop took from the end of a step to the next forward pass: waiting for data, mostly."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from trainvitals import tags
from trainvitals_hooks.looking.forward import ModuleHook
from trainvitals_hooks.probes.probe import Context, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.reading import Measured


class DataTime(Probe):
    """Times the way to the first forward pass of the whole model in a recorded step, but for the very first one."""

    name = "data_time"
    writes = (tags.DATA_TIME_S,)
    hears_modules = True

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._clock = _Clock(model)
        self._handle: RemovableHandle | None = None
        self._any_step_made = False

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model)

    def arm(self) -> None:
        self._clock.start()
        if self._handle is None:
            self._handle = self._model.register_forward_pre_hook(self._clock)

    def after_update(self, optimizer: Optimizer) -> Sequence[Measured]:
        waited_s = self._clock.stop()
        first, self._any_step_made = not self._any_step_made, True
        if waited_s is None or first:
            return ()
        return [{tags.DATA_TIME_S: waited_s}]

    def disarm(self) -> None:
        self._clock.stop()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None


class _Clock(ModuleHook):
    """Runs from ``start`` to the first forward pass."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self._started_s = 0.0
        self._waited_s: float | None = None

    def start(self) -> None:
        self._started_s, self._waited_s = perf_counter(), None

    def stop(self) -> float | None:
        waited_s, self._waited_s = self._waited_s, None
        return waited_s

    def __call__(self, module: nn.Module, _: Any) -> None:
        if self._waited_s is None and self.concerns(module):
            self._waited_s = perf_counter() - self._started_s
