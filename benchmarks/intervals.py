"""How sure a rate of k of n is: the Wilson score interval, and the way every benchmark prints it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean

import numpy as np

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


def clustered_wilson(hits: Sequence[bool], clusters: Sequence[str]) -> tuple[float, float]:
    """The 95 % interval of a rate over trials that resemble each other inside their clusters.

    Wilson's interval on the effective number of trials n / (1 + (m - 1) r), with m the mean cluster size and r the
    correlation inside clusters by analysis of variance (Donner and Klar 2000, chapter 1).
    """
    if not hits:
        return wilson(0, 0)
    share, effective = fmean(hits), len(hits) / _design_effect(np.asarray(hits, float), np.asarray(clusters))
    # Wilson's interval takes whole numbers; between them it is all but linear.
    below, above = (wilson(round(share * size), size) for size in (max(int(effective), 1), max(int(effective) + 1, 1)))
    part = effective - int(effective)
    low, high = ((1 - part) * a + part * b for a, b in zip(below, above, strict=True))
    return low, high


def _design_effect(hits: np.ndarray, clusters: np.ndarray) -> float:
    groups = [hits[clusters == cluster] for cluster in np.unique(clusters)]
    n, k = len(hits), len(groups)
    if k in (1, n) or hits.min() == hits.max():
        return 1.0
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (n - k)
    between = sum(len(group) * (group.mean() - hits.mean()) ** 2 for group in groups) / (k - 1)
    size = (n - sum(len(group) ** 2 for group in groups) / n) / (k - 1)
    correlation = (between - within) / (between + (size - 1) * within) if between + within > 0 else 0.0
    return 1 + (fmean(len(group) for group in groups) - 1) * min(max(correlation, 0.0), 1.0)
