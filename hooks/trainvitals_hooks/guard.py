"""What goes wrong inside the monitor stays inside the monitor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from trainvitals_hooks.console import Once
from trainvitals_hooks.probes.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from torch.optim import Optimizer

    from trainvitals_hooks.probes.probe import Changed
    from trainvitals_hooks.reading import Reading
    from trainvitals_hooks.shards import Shards


class Guard:
    """The probes that still work. One that raises is told once, taken off the model, and not called again.

    Args:
        shards: what this rank holds of the parameters; a probe that knows nothing of shards cannot get at them.
    """

    def __init__(self, probes: Iterable[Probe], once: Once, shards: Shards) -> None:
        self._probes = list(probes)
        self._always = [probe for probe in self._probes if type(probe).look is not Probe.look]
        self._once = once
        self._shards = shards

    def arm(self) -> None:
        for probe in tuple(self._probes):
            self._call(probe, probe.arm)

    def before_update(self, optimizer: Optimizer) -> None:
        for probe in tuple(self._probes):
            self._call(probe, partial(probe.before_update, optimizer))

    def look(self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Changed | None:
        """At every step; what the last of the probes that want others would have the optimizer called with."""
        changed: Changed | None = None
        for probe in self._always:
            try:
                with self._closed_to(probe):
                    wanted = probe.look(optimizer, *(changed or (arguments, keywords)))
            except Exception as error:
                self.switch_off(probe, error)
            else:
                changed = wanted or changed
        return changed

    def after_update(self, optimizer: Optimizer) -> list[Reading]:
        readings: list[Reading] = []
        for probe in tuple(self._probes):
            self._call(probe, partial(self._collect, probe, optimizer, readings))
        return readings

    def disarm(self) -> None:
        for probe in tuple(self._probes):
            self._call(probe, probe.disarm)

    def close(self) -> None:
        self.disarm()
        for probe in tuple(self._probes):
            self._call(probe, probe.close)

    @staticmethod
    def _collect(probe: Probe, optimizer: Optimizer, readings: list[Reading]) -> None:
        readings.extend(probe.after_update(optimizer))

    def _call(self, probe: Probe, method: Callable[[], None]) -> None:
        try:
            with self._closed_to(probe):
                method()
        except Exception as error:
            self.switch_off(probe, error)

    def _closed_to(self, probe: Probe) -> AbstractContextManager[object]:
        return self._shards.closed_to(probe.runs_on == "shards")

    def switch_off(self, probe: Probe, error: Exception) -> None:
        """Tell what happened and go on without this probe."""
        if probe in self._probes:
            self._probes.remove(probe)
        if probe in self._always:
            self._always = [each for each in self._always if each is not probe]
        self._once.tell(
            f"probe {probe.name}",
            f"{probe.name} is no longer recorded: {type(error).__name__}: {error}. The training goes on.",
        )
        try:
            probe.disarm()
            probe.close()
        except Exception as second:
            self._once.tell(f"disarm {probe.name}", f"{probe.name}: {type(second).__name__} when taken off: {second}")
