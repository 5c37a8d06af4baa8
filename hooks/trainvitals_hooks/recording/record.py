"""Everything that is known of one step, until it is written."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from trainvitals_hooks.recording.calls import Calls
from trainvitals_hooks.recording.reading import Measured, Reading


@dataclass(slots=True)
class Record:
    """One step on its way to the event file.

    Args:
        step: its number in the file. wall_time: when the optimizer had made it.
        readings: of the probes. numbers: what is known on the host. calls: what the loop logged, by occasion.
    """

    step: int
    wall_time: float = field(default_factory=time.time)
    readings: list[Reading] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    calls: list[Calls] = field(default_factory=list)

    def add(self, measured: Iterable[Measured]) -> None:
        """What probes have measured."""
        for each in measured:
            if isinstance(each, Reading):
                self.readings.append(each)
            else:
                self.numbers |= each

    def __bool__(self) -> bool:
        return bool(self.readings or self.numbers or any(self.calls))
