"""What goes wrong inside the monitor stays inside the monitor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from trainvitals_hooks.console import Once
from trainvitals_hooks.probes.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch.optim import Optimizer

    from trainvitals_hooks.processes.shards import Shards
    from trainvitals_hooks.recording.reading import Measured

    Methods = list[tuple[Probe, Callable[..., Any]]]


class Guard:
    """The probes that still work. One that raises is told once, taken off the model, and not called again.

    Of each probe only the methods are called that it has of its own: a call that does nothing costs as well.

    Args:
        shards: what this rank holds of the parameters; a probe that knows nothing of shards cannot get at them.

    Attributes:
        looks: the probes that look before every update, with the method that does; whoever calls it switches off what
            raises.
    """

    looks: Methods

    def __init__(self, probes: Iterable[Probe], once: Once, shards: Shards) -> None:
        self._probes = list(probes)
        self._once = once
        self._shards = shards
        self._find_methods()

    def arm(self) -> None:
        self._call(self._arm)

    def before_update(self, optimizer: Optimizer) -> None:
        self._call(self._before_update, optimizer)

    def after_update(self, optimizer: Optimizer) -> list[Measured]:
        measured: list[Measured] = []
        for probe, after_update in self._after_update:
            try:
                measured += after_update(optimizer)
            except Exception as error:
                self.switch_off(probe, error)
        return measured

    def disarm(self) -> None:
        self._call(self._disarm)

    def close(self) -> None:
        self._call(self._disarm)
        self._call(self._close)

    def _call(self, methods: Methods, *arguments: object) -> None:
        for probe, method in methods:
            try:
                method(*arguments)
            except Exception as error:
                self.switch_off(probe, error)

    def switch_off(self, probe: Probe, error: Exception) -> None:
        """Tell what happened and go on without this probe."""
        if probe in self._probes:
            self._probes.remove(probe)
            # New lists: the one that is gone through at the moment stays as it is.
            self._find_methods()
        self._once.tell(
            f"probe {probe.name}",
            f"{probe.name} is no longer recorded: {type(error).__name__}: {error}. The training goes on.",
        )
        try:
            probe.disarm()
            probe.close()
        except Exception as second:
            self._once.tell(f"disarm {probe.name}", f"{probe.name}: {type(second).__name__} when taken off: {second}")

    def _find_methods(self) -> None:
        self._arm = self._own_methods("arm")
        self._before_update = self._own_methods("before_update")
        self.looks = self._own_methods("look")
        self._after_update = self._own_methods("after_update")
        self._disarm = self._own_methods("disarm")
        self._close = self._own_methods("close")

    def _own_methods(self, name: str) -> Methods:
        having = [probe for probe in self._probes if getattr(type(probe), name) is not getattr(Probe, name)]
        return [(probe, self._closed(probe, getattr(probe, name))) for probe in having]

    def _closed(self, probe: Probe, method: Callable[..., Any]) -> Callable[..., Any]:
        if self._shards.any and probe.runs_on != "shards":
            return partial(self._without_shards, method)
        return method

    def _without_shards(self, method: Callable[..., Any], *arguments: object) -> Any:
        with self._shards.closed():
            return method(*arguments)
