"""Noise of known correlation."""

import numpy as np
from scipy.signal import lfilter


def autoregressive(rng, points, phi, sd=1.0):
    """First-order autoregressive noise with this standard deviation, stationary from its first point."""
    shocks = rng.normal(0.0, sd * np.sqrt(1 - phi**2), points)
    shocks[0] = rng.normal(0.0, sd)
    return lfilter([1.0], [1.0, -phi], shocks)
