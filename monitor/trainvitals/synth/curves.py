"""The shapes that losses and learning rates take, and the noise on them: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def power_law(effort: Array, *, floor: float, gain: float, scale: float, exponent: float) -> Array:
    """``floor + gain * (1 + effort / scale) ** -exponent``, the shape of most language-model losses.

    Args:
        effort: ``[T]`` steps made, each weighted with its learning rate relative to the peak.
    """
    return np.asarray(floor + gain * (1.0 + effort / scale) ** -exponent)


def exponential(effort: Array, *, floor: float, gain: float, time_constant: float) -> Array:
    """``floor + gain * exp(-effort / time_constant)``: a quick fall to a floor.

    Args:
        effort: ``[T]`` as in ``power_law``; time_constant: in the same unit.
    """
    return np.asarray(floor + gain * np.exp(-effort / time_constant))


def constant_rate(count: int) -> Array:
    """``[T]`` ones."""
    return np.ones(count)


def cosine_rate(count: int, *, end: float = 0.02) -> Array:
    """``[T]`` from 1 to ``end`` along half a cosine (Loshchilov and Hutter 2017)."""
    return np.asarray(end + (1.0 - end) * 0.5 * (1.0 + np.cos(np.pi * np.linspace(0.0, 1.0, count))))


def warm_restart_rate(count: int, *, cycles: int = 3, end: float = 0.02) -> Array:
    """``[T]`` the cosine, begun anew ``cycles`` times (SGDR)."""
    return np.concatenate([cosine_rate(len(part), end=end) for part in np.array_split(np.empty(count), cycles)])


def staircase_rate(count: int, *, drops: int = 2, factor: float = 0.1) -> Array:
    """``[T]`` multiplied with ``factor`` at ``drops`` evenly spaced steps."""
    return np.asarray(factor ** ((drops + 1) * np.arange(count) // count).astype(np.float64))


def ar1_noise(rng: np.random.Generator, count: int, *, std: float, correlation: float) -> Array:
    """``[T]`` noise whose neighbours resemble each other, as those of a smoothed loss do.

    Args:
        std: of each value. correlation: between neighbours, in [0, 1).
    """
    noise = rng.standard_normal(count)
    for index in range(1, count):
        noise[index] = correlation * noise[index - 1] + np.sqrt(1.0 - correlation**2) * noise[index]
    return np.asarray(std * noise)


def heavy_tailed_noise(rng: np.random.Generator, count: int, *, std: float, degrees_of_freedom: float = 4.0) -> Array:
    """``[T]`` independent noise with outliers: Student's t, scaled to ``std``.

    Args:
        degrees_of_freedom: above 2; the fewer, the heavier the tails.
    """
    spread = np.sqrt(degrees_of_freedom / (degrees_of_freedom - 2.0))
    return np.asarray(std / spread * rng.standard_t(degrees_of_freedom, count))
