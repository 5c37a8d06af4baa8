"""The clocks that following needs, in one place so that a test can turn them by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Three clocks, each giving seconds.

    Args:
        now_s: never goes back; what waiting is measured by.
        cpu_s: processor time of this process; what costs are measured by.
        wall_s: since the epoch; what a person is told.
    """

    now_s: Callable[[], float] = time.monotonic
    cpu_s: Callable[[], float] = time.process_time
    wall_s: Callable[[], float] = time.time
