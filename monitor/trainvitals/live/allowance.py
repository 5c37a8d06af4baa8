"""Spacing an activity so that it takes at most its share of one core."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from trainvitals.live.clock import Clock

# What cannot wait may run this far ahead of the share, in processor seconds: some dozen diagnoses of long runs.
MOST_BORROWED_S = 5.0
# As much may be saved up, also for the beginning: some dozen diagnoses of a short run. Most goes wrong at the start, a
# person is still watching then, and a small share alone would give the first minutes a look or two.
MOST_SAVED_S = 0.5


class Allowance:
    """An activity that is paid for by waiting: after a cost of c seconds it is due again c / share seconds later.

    Args:
        share: the part of one core that the activity may take, averaged over time.
        clock: what cost and waiting are measured by.
        saved_s: processor seconds that may be saved up, and are at the beginning.
    """

    def __init__(self, share: float, clock: Clock, *, saved_s: float = 0.0) -> None:
        self.share = share
        self._clock = clock
        self._most_saved_s = saved_s
        self._due_at_s = -math.inf

    @property
    def is_due(self) -> bool:
        """Whether what was spent so far is paid for."""
        return self._clock.now_s() >= self._due_at_s

    @property
    def may_borrow(self) -> bool:
        """Whether something urgent may go ahead although it is not due."""
        return (self._due_at_s - self._clock.now_s()) * self.share <= MOST_BORROWED_S

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the processor time of what happens inside."""
        before_s = self._clock.cpu_s()
        try:
            yield
        finally:
            cost_s = self._clock.cpu_s() - before_s
            saved_until_s = self._clock.now_s() - self._most_saved_s / self.share
            self._due_at_s = max(self._due_at_s, saved_until_s) + cost_s / self.share
