"""Which steps are recorded in full, and how the budget spreads them."""

from __future__ import annotations

LOOKS_TO_CHANGE = 2
"""Records in a row that must ask for the same change before the interval changes: one may have met a busy machine."""
CALM_SHARE = 0.4
"""The interval shrinks only when half of it would cost less than 0.8 of the budget: else it would swing to and fro."""
LADDER = (1, 2, 5)


class Schedule:
    """Due is every ``every``-th step, and those that were asked for.

    Args:
        every: steps from one record to the next, as the person wants it; the budget never goes below.
        budget: the share of the training's time that recording may take.
    """

    def __init__(self, every: int, budget: float) -> None:
        self.every = every
        self._wanted = every
        self._budget = budget
        self._asked = range(0)
        self._too_dear = 0
        self._cheap = 0

    def due(self, step: int) -> bool:
        """Whether this step is recorded in full."""
        return step % self.every == 0 or step in self._asked

    def next_due(self, step: int) -> int:
        """The first step from this one on that is recorded in full."""
        regular = -(-step // self.every) * self.every
        asked = max(step, self._asked.start)
        return min(regular, asked) if asked < self._asked.stop else regular

    def ask_for(self, first: int, count: int) -> None:
        """Record these steps too, from ``first`` on."""
        self._asked = range(first, first + count)

    @property
    def plan(self) -> list[int]:
        """Interval, first of the steps asked for, and the first after them: what ``follow`` needs."""
        return [self.every, self._asked.start, self._asked.stop]

    def follow(self, every: int, first: int, stop: int) -> None:
        """Record what another schedule records."""
        self.every, self._asked = every, range(first, stop)

    def spend(self, record_s: float, training_s: float) -> bool:
        """Hold the cost of one record against the budget; whether the interval changed.

        Args:
            record_s: seconds that the last record took, without what every step costs: no interval would save that.
            training_s: seconds of training from that record to this one.
        """
        share = record_s / training_s if training_s > 0 else 0.0
        self._too_dear = self._too_dear + 1 if share > self._budget else 0
        self._cheap = self._cheap + 1 if self.every > self._wanted and share < CALM_SHARE * self._budget else 0
        if self._too_dear >= LOOKS_TO_CHANGE:
            self.every = next_on_ladder(self.every)
        elif self._cheap >= LOOKS_TO_CHANGE:
            self.every = max(self._wanted, self.every // 2)
        else:
            return False
        self._too_dear = self._cheap = 0
        return True


def next_on_ladder(every: int) -> int:
    """The next longer interval of 1, 2, 5, 10, 20, 50, ..."""
    scale = 1
    while True:
        for rung in LADDER:
            if rung * scale > every:
                return rung * scale
        scale *= 10
