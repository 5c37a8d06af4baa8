"""What people use today to call a plateau, written down from the documented rules: the peers of ``plateau.py``."""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]

# The defaults of torch.optim.lr_scheduler.ReduceLROnPlateau.
PATIENCE = 10
RELATIVE_THRESHOLD = 1e-4
# The plain patience rule waits for a new best value this share of the points.
PATIENCE_SHARE = 0.1
# A trend test looks at as much of the past as our horizon looks ahead, thinned to at most so many block means.
TREND_SHARE = 0.25
MOST_TREND_POINTS = 200
SIGNIFICANCE = 0.05


def reduce_on_plateau(losses: Losses) -> list[int]:
    """The points at which ReduceLROnPlateau would cut the rate, with its defaults and without cooldown.

    Its rule: a value is better if it is below ``best * (1 - 1e-4)``; after more than ten that are not, the rate is
    cut and the count begins again.
    """
    best, bad, fired = np.inf, 0, []
    for index, loss in enumerate(losses):
        if loss < best * (1.0 - RELATIVE_THRESHOLD):
            best, bad = loss, 0
        else:
            bad += 1
        if bad > PATIENCE:
            fired.append(index)
            bad = 0
    return fired


def out_of_patience(losses: Losses) -> bool:
    """No new best value in the last tenth of the points."""
    return len(losses) - 1 - int(np.argmin(losses)) >= PATIENCE_SHARE * len(losses)


def no_falling_trend(losses: Losses) -> bool:
    """Mann-Kendall with the variance of Hamed and Rao (1998) finds no falling trend in the last quarter, at 5 %."""
    tail = losses[-max(8, round(TREND_SHARE * len(losses))) :]
    if len(tail) > MOST_TREND_POINTS:
        tail = np.array([part.mean() for part in np.array_split(tail, MOST_TREND_POINTS)])
    return falling_trend_p(tail) > SIGNIFICANCE


def falling_trend_p(values: Losses) -> float:
    """One-sided p-value of a falling trend.

    S = sum of sign(x_j - x_i) over i < j. Its variance n (n - 1) (2 n + 5) / 18 is multiplied by
    1 + 2 / (n (n - 1) (n - 2)) * sum of (n - k) (n - k - 1) (n - k - 2) rho_k over the significant autocorrelations
    rho_k of the ranks after the Sen slope is taken out; chance correlations at large lags are not let shrink it.
    """
    n = len(values)
    score = float(np.sum(np.sign(np.subtract.outer(values, values))[np.tril_indices(n, -1)]))
    variance = n * (n - 1) * (2 * n + 5) / 18.0 * _hamed_rao_factor(values)
    z = (score - np.sign(score)) / sqrt(variance)
    return 0.5 * erfc(-z / sqrt(2.0))


def _hamed_rao_factor(values: Losses) -> float:
    n = len(values)
    first, second = np.tril_indices(n, -1)
    slope = float(np.median((values[first] - values[second]) / (first - second)))
    ranks = np.argsort(np.argsort(values - slope * np.arange(n))).astype(np.float64)
    ranks -= ranks.mean()
    lags = np.arange(1, n - 2)
    rho = np.array([float(ranks[:-lag] @ ranks[lag:]) for lag in lags]) / float(ranks @ ranks)
    significant = np.abs(rho) > 1.96 / sqrt(n)
    weights = (n - lags) * (n - lags - 1.0) * (n - lags - 2.0)
    return max(1.0, 1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * float(np.sum((weights * rho)[significant])))
