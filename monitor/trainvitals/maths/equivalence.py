"""Is a change provably negligible, provably not, or cannot one tell?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its two-sided interval. Two one-sided tests at 5 % are one at 90 %."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2.0

    def within(self, margin: float) -> bool:
        """Two one-sided tests (Schuirmann 1987): provably between ``-margin`` and ``margin``."""
        return -margin <= self.low and self.high <= margin


# Beyond a hundred times the points the answer is "never", not a number.
MOST_TIMES_THE_NOISE = 10.0


def points_needed(points: int, detectable: float, margin: float) -> int:
    """How many points of this noise would let a gain of ``margin`` be seen: standard errors shrink with sqrt(n)."""
    if not margin > 0 or not detectable > 0:
        return points
    ratio = MOST_TIMES_THE_NOISE if detectable > MOST_TIMES_THE_NOISE * margin else detectable / margin
    return max(points, round(points * ratio**2))
