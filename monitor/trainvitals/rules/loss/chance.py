"""What guessing costs: the cross-entropy of a uniform guess among so many classes."""

from __future__ import annotations

from math import log

# Class and vocabulary sizes that are common enough for a match to mean something; among all sizes some one always fits.
COMMON_CLASSES = (
    *range(2, 21), 50, 100, 101, 102, 200, 256, 365, 1000, 21841,
    28996, 30522, 32000, 50257, 50265, 50304, 100277, 128256, 151936, 250002, 256000,
)  # fmt: skip
MATCH_SHARE = 0.005
"""How near to ln(K) a level must be, relative to it: the neighbours of K = 20 are 1.6 % away, those of 10 4 %."""


def chance_classes(level: float) -> int | None:
    """The common number of classes whose guessing costs ``level`` nats, or None."""
    classes = min(COMMON_CLASSES, key=lambda count: abs(log(count) - level))
    return classes if abs(log(classes) - level) <= MATCH_SHARE * log(classes) else None
