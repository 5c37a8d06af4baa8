"""Straight lines through noisy, autocorrelated points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import inflation, lag_one_correlation
from trainvitals.maths.robust import Floats


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line and how sure its slope is.

    Args:
        slope: change of value a unit of time.
        level: value at the last time, end.
        slope_se: standard error of the slope, widened for autocorrelation.
        degrees_of_freedom: of the t distribution of the slope, at least 1.
        residual_sd: standard deviation around the line.
        points: how many were fitted.
    """

    slope: float
    level: float
    end: float
    slope_se: float
    degrees_of_freedom: float
    residual_sd: float
    points: int

    def at(self, time: Floats) -> NDArray[np.float64]:
        """Value of the line at ``[T]`` times."""
        return np.asarray(self.level + self.slope * (np.asarray(time, dtype=np.float64) - self.end))

    def change(self, horizon: float, confidence: float) -> tuple[float, float, float]:
        """Change over ``horizon`` units of time: expected, and the bounds of the two-sided interval."""
        half = self.quantile(confidence) * self.slope_se * horizon
        expected = self.slope * horizon
        return expected, expected - half, expected + half

    def quantile(self, confidence: float) -> float:
        """Half-width of the two-sided interval in standard errors."""
        from scipy.stats import t

        return float(t.ppf(0.5 + confidence / 2.0, self.degrees_of_freedom))


def fit_line(time: Floats, value: Floats, correlation: float | None = None) -> Line:
    """Least squares through ``[N]`` points, its standard error multiplied by sqrt((1 + rho) / (1 - rho)).

    rho is the lag-one correlation of the residuals, and the degrees of freedom shrink by the inverse of the same
    factor squared: the exact answer for a long series with first-order autoregressive noise and regular spacing.

    Args:
        correlation: an upper bound of rho from elsewhere, in [0, 1): a short line estimates its own badly.

    Raises:
        ValueError: fewer than three points, or all at one time.
    """
    if len(value) < 3:
        raise ValueError(f"a line with an error needs three points, not {len(value)}")
    t = np.asarray(time, dtype=np.float64)
    y = np.asarray(value, dtype=np.float64)
    centred = t - t.mean()
    spread = float(centred @ centred)
    if spread == 0.0:
        raise ValueError("all points are at one time")
    slope = float(centred @ (y - y.mean())) / spread
    residuals = y - y.mean() - slope * centred
    free = len(y) - 2
    residual_sd = float(np.sqrt(residuals @ residuals / free))
    rho = min(lag_one_correlation(residuals), 1.0 if correlation is None else correlation)
    inflated = inflation(rho)
    return Line(
        slope=slope,
        level=float(y.mean() + slope * centred[-1]),
        end=float(t[-1]),
        slope_se=residual_sd / np.sqrt(spread) * np.sqrt(inflated),
        degrees_of_freedom=max(1.0, free / inflated),
        residual_sd=residual_sd,
        points=len(y),
    )
