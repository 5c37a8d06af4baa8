"""How noisy a series is, and how much of the noise is independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.robust import Floats, mad_scale

SECOND_DIFFERENCE_SD = 6.0**0.5
# Differences looked at; the error of a noise estimate from so many is below 1 %.
MOST_DIFFERENCES = 20_000
# Sokal's automatic window: sum correlations up to the first lag k >= WINDOW * tau(k).
WINDOW = 5.0


def difference_noise_sd(values: Floats) -> float:
    """Noise standard deviation of ``[N]`` from second differences, which a smooth trend hardly enters.

    For white noise x[i-1] - 2 x[i] + x[i+1] has variance 6 sd^2; the median absolute deviation keeps spikes out.
    Positively correlated noise is underestimated. NaN with fewer than three points.
    """
    if len(values) < 3:
        return float("nan")
    data = np.asarray(values, dtype=np.float64)
    if len(data) - 2 <= MOST_DIFFERENCES:
        return mad_scale(np.diff(data, n=2)) / SECOND_DIFFERENCE_SD
    at = np.linspace(0, len(data) - 3, MOST_DIFFERENCES).astype(np.int64)
    return mad_scale(data[at] - 2.0 * data[at + 1] + data[at + 2]) / SECOND_DIFFERENCE_SD


def autocorrelation(residuals: Floats) -> NDArray[np.float64]:
    """Autocorrelation of ``[N]`` residuals at lags 0 to N-1, by Fourier transform; zeros where there is no variance."""
    centred = np.asarray(residuals, dtype=np.float64) - np.mean(residuals) if len(residuals) else np.empty(0)
    largest = float(np.max(np.abs(centred), initial=0.0))
    if largest == 0.0:
        return np.zeros(len(centred))
    centred = centred / largest
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), size)[: len(centred)]
    return np.asarray(covariance / covariance[0])


def integrated_autocorrelation_time(residuals: Floats) -> float:
    """How many neighbouring points carry the information of one: tau = 1 + 2 sum rho_k, at least 1.

    The sum stops at the first lag of at least five tau (Sokal 1997, "Monte Carlo methods in statistical
    mechanics", section 3). A trend left in the residuals makes tau large.
    """
    if len(residuals) < 4:
        return 1.0
    tau = 2.0 * np.cumsum(autocorrelation(residuals)) - 1.0
    window = np.flatnonzero(np.arange(len(tau)) >= WINDOW * tau)
    chosen = tau[window[0]] if len(window) else tau[-1]
    return float(max(1.0, chosen))


def lag_one_correlation(residuals: Floats) -> float:
    """First autocorrelation with its small-sample bias of about 2/N taken out, within [0, 0.9].

    The bias of residuals around a fitted line is of that size (Kendall 1954); negative values are treated as zero,
    so that alternating noise never makes a test bolder.
    """
    if len(residuals) < 4:
        return 0.0
    return float(np.clip(autocorrelation(residuals)[1] + 2.0 / len(residuals), 0.0, 0.9))


def inflation(correlation: float) -> float:
    """By how much first-order autoregressive noise widens the variance of a mean or a slope: (1 + rho) / (1 - rho)."""
    return (1.0 + correlation) / (1.0 - correlation)


def noise_exponent(values: Floats) -> float:
    """The power p in [0, 1] with which the noise grows with the level: sd ~ level^p.

    Compares the noise of the half of the points with the higher level with that of the lower half. 0 where values
    are not all positive, fewer than 30, or of nearly one level.
    """
    if len(values) < 30 or float(np.min(values)) <= 0:
        return 0.0
    data = np.asarray(values, dtype=np.float64)
    half = len(data) // 2
    first, second = data[:half], data[half:]
    stride = 1 + half // MOST_DIFFERENCES
    level_ratio = float(np.median(first[::stride]) / np.median(second[::stride]))
    noise_first, noise_second = difference_noise_sd(first), difference_noise_sd(second)
    if not (noise_first > 0 and noise_second > 0) or abs(np.log(level_ratio)) < np.log(1.2):
        return 0.0
    return float(np.clip(np.log(noise_first / noise_second) / np.log(level_ratio), 0.0, 1.0))
