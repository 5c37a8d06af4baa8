"""The gradient noise scale from gradients of two batch sizes.

Source: McCandlish et al. 2018, "An Empirical Model of Large-Batch Training", appendix A.1. The squared norm of a
gradient of b samples is on average |G|² + tr(Σ)/b, so that two batch sizes give both; their ratio is the noise scale.
"""

from __future__ import annotations

import math

SMOOTHING = 0.9
"""Of a record's estimates in their running means. One estimate is off by more than its size, and of a ratio of noisy
numbers no mean is of use: numerator and denominator are averaged apart, over about ten records."""


class NoiseScale:
    """Running estimates of the two parts of the noise scale."""

    def __init__(self) -> None:
        self._noise = self._signal = 0.0

    def add(self, small: float, small_batch: float, large: float, large_batch: float) -> float | None:
        """Take one pair of gradients; the noise scale in samples, None where the signal drowns in the noise.

        Args:
            small, large: mean squared norm of gradients of ``small_batch`` and of ``large_batch`` samples.
        """
        noise = (small - large) / (1 / small_batch - 1 / large_batch)
        signal = (large_batch * large - small_batch * small) / (large_batch - small_batch)
        return self.take(noise, signal)

    def take(self, noise: float, signal: float) -> float | None:
        """Take an estimate of each part, the variance and the square of the mean; their ratio, as ``add`` gives it."""
        if not math.isfinite(noise) or not math.isfinite(signal):
            return None
        self._noise = SMOOTHING * self._noise + (1 - SMOOTHING) * noise
        self._signal = SMOOTHING * self._signal + (1 - SMOOTHING) * signal
        return self._noise / self._signal if self._noise > 0 and self._signal > 0 else None
