"""How sure a rate of k of n is: the Wilson score interval, and the way every benchmark prints it."""

from __future__ import annotations

from math import sqrt

CONFIDENCE_PERCENT = 95
Z = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a rate, both ends in [0, 1].

    Unlike the normal approximation it stays inside [0, 1] and has a width at 0 of n and n of n
    (Wilson 1927, J. Am. Stat. Assoc. 22:209; recommended for small n by Brown, Cai and DasGupta 2001).

    Args:
        k: how many of them.
        n: how many in all; with none at all the interval is everything.

    Raises:
        ValueError: not 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a rate")
    if n == 0:
        return 0.0, 1.0
    share = k / n
    shrink = 1 + Z**2 / n
    centre = (share + Z**2 / (2 * n)) / shrink
    half_width = Z * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / shrink
    return (0.0 if k == 0 else centre - half_width), (1.0 if k == n else centre + half_width)


def rate(k: int, n: int) -> str:
    """A rate as benchmarks print it: ``3 of 20 (15 %, 95 % interval 5-36 %)``; ``0 of 0`` has no percentage."""
    if n == 0:
        return "0 of 0"
    low, high = wilson(k, n)
    return f"{k} of {n} ({100 * k / n:.0f} %, {CONFIDENCE_PERCENT} % interval {100 * low:.0f}-{100 * high:.0f} %)"
