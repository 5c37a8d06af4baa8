"""How long the monitor itself took, beside the training that it watches."""

from __future__ import annotations

from time import perf_counter


class OwnTime:
    """Seconds inside the monitor, added up by whoever enters it; nested entries count once."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._depth = 0
        self._entered_s = 0.0
        self._began_s = self._opened_s = perf_counter()
        self._total_at_opening_s = 0.0

    def enter(self) -> None:
        if self._depth == 0:
            self._entered_s = perf_counter()
        self._depth += 1

    def leave(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.total_s += perf_counter() - self._entered_s

    def total_now_s(self) -> float:
        """``total_s`` with the entry under way."""
        return self.total_s + (perf_counter() - self._entered_s if self._depth else 0.0)

    def share(self) -> float:
        """Own time over that of everything else, since the beginning."""
        rest_s = perf_counter() - self._began_s - self.total_s
        return self.total_s / rest_s if rest_s > 0 else 0.0

    def training_clock_s(self) -> float:
        """A clock that stands still inside the monitor: differences of it are times of the training alone."""
        return (self._entered_s if self._depth else perf_counter()) - self.total_s

    def since_opening(self) -> tuple[float, float]:
        """Own seconds and those of the training since the window was opened, without the entry under way."""
        now_s = self._entered_s if self._depth else perf_counter()
        own_s = self.total_s - self._total_at_opening_s
        return own_s, max(now_s - self._opened_s - own_s, 0.0)

    def open_window(self) -> None:
        """Count anew from here on."""
        self._opened_s = self._entered_s if self._depth else perf_counter()
        self._total_at_opening_s = self.total_s
