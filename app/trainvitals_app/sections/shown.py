"""What a section of the Run page draws."""

from __future__ import annotations

from typing import Protocol

from trainvitals.model import Diagnosis, Run
from trainvitals.signals import Signals


class Shown(Protocol):
    """A run as it is now: read, understood and, once there was time, diagnosed."""

    @property
    def run(self) -> Run: ...

    @property
    def signals(self) -> Signals: ...

    @property
    def diagnosis(self) -> Diagnosis | None: ...

    @property
    def version(self) -> int:
        """Another number whenever the run has grown."""
