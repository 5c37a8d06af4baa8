"""What goes wrong inside the monitor stays inside the monitor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trainvitals_hooks.console import Once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch.optim import Optimizer

    from trainvitals_hooks.probes.probe import Probe
    from trainvitals_hooks.reading import Reading


class Guard:
    """The probes that still work. One that raises is told once, taken off the model, and not called again."""

    def __init__(self, probes: Iterable[Probe], once: Once) -> None:
        self._probes = list(probes)
        self._once = once

    def arm(self) -> None:
        for probe in tuple(self._probes):
            self._call(probe, probe.arm)

    def before_update(self, optimizer: Optimizer) -> None:
        for probe in tuple(self._probes):
            self._call(probe, partial(probe.before_update, optimizer))

    def after_update(self, optimizer: Optimizer) -> list[Reading]:
        readings: list[Reading] = []
        for probe in tuple(self._probes):
            self._call(probe, partial(self._collect, probe, optimizer, readings))
        return readings

    def disarm(self) -> None:
        for probe in tuple(self._probes):
            self._call(probe, probe.disarm)

    @staticmethod
    def _collect(probe: Probe, optimizer: Optimizer, readings: list[Reading]) -> None:
        readings.extend(probe.after_update(optimizer))

    def _call(self, probe: Probe, method: Callable[[], None]) -> None:
        try:
            method()
        except Exception as error:
            self.switch_off(probe, error)

    def switch_off(self, probe: Probe, error: Exception) -> None:
        """Tell what happened and go on without this probe."""
        if probe in self._probes:
            self._probes.remove(probe)
        self._once.tell(
            f"probe {probe.name}",
            f"{probe.name} is no longer recorded: {type(error).__name__}: {error}. The training goes on.",
        )
        try:
            probe.disarm()
        except Exception as second:
            self._once.tell(f"disarm {probe.name}", f"{probe.name}: {type(second).__name__} when taken off: {second}")
