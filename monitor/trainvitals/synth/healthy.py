"""Runs with which nothing is wrong, in the shapes that healthy runs take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.synth.curves import (
    Array,
    ar1_noise,
    constant_rate,
    cosine_rate,
    exponential,
    heavy_tailed_noise,
    power_law,
    staircase_rate,
    warm_restart_rate,
)
from trainvitals.synth.recording import Recording, SyntheticRun, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PEAK_LEARNING_RATE = 1e-3
LAYERS = 6
RECORDS_PER_VALIDATION = 10
NOISE_CORRELATION = 0.5
GENERALISATION_GAP = 1.04
"""Validation loss over training loss: a gap is no overfitting."""

WEIGHT_NORM = 8.0
UPDATE_RATIO_AT_PEAK = 1e-3
"""Norm of an update over that of the weights; about 1e-3 is what works in practice (Karpathy's rule of thumb)."""

GRADIENT_NORM = 0.4
LAYER_SPREAD = 1.3
"""From layer to layer, gradients grow by this factor towards the output: an ordinary network."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a healthy loss falls.

    Args:
        rate: ``count`` to ``[T]``, the learning rate over its peak.
        fall: ``effort [T]`` and the number of steps to ``[T]``, the loss without noise.
        bounce: how much of the loss comes from a learning rate at its peak and goes when the rate is lowered.
    """

    rate: Callable[[int], Array]
    fall: Callable[[Array, int], Array]
    bounce: float = 0.0


def _slow_fall(effort: Array, steps: int) -> Array:
    return power_law(effort, floor=1.6, gain=2.9, scale=steps / 100.0, exponent=0.4)


def _fall_to_a_floor(effort: Array, steps: int) -> Array:
    return exponential(effort, floor=0.3, gain=2.0, time_constant=steps / 3.0)


SHAPES: Mapping[str, Shape] = {
    "power-law": Shape(constant_rate, _slow_fall),
    "exponential": Shape(constant_rate, _fall_to_a_floor),
    "annealed": Shape(cosine_rate, _slow_fall, bounce=0.15),
    "warm-restarts": Shape(warm_restart_rate, _slow_fall, bounce=0.15),
    "staircase": Shape(staircase_rate, _slow_fall, bounce=0.3),
}


def healthy_run(
    shape: str = "power-law",
    *,
    steps: int = 4000,
    every: int = 10,
    noise: float = 0.01,
    heavy_tails: bool = False,
    seed: int = 0,
) -> SyntheticRun:
    """A run with which nothing is wrong.

    Args:
        shape: one of ``SHAPES``.
        steps: how long it trained; every: steps from one record to the next.
        noise: standard deviation of the loss, relative to its level.
        heavy_tails: noise with outliers instead of noise whose neighbours resemble each other.
        seed: the same seed gives the same run.

    Raises:
        KeyError: there is no such shape.
        ValueError: fewer than 20 records would be made.
    """
    recording = record(shape, steps=steps, every=every, noise=noise, heavy_tails=heavy_tails, seed=seed)
    return SyntheticRun(recording.to_run(f"healthy-{shape}"), Truth())


def record(
    shape: str, *, steps: int, every: int, noise: float, heavy_tails: bool, seed: int, stalls_at: float | None = None
) -> Recording:
    """The arrays of a healthy run, or of one that stops learning at the fraction ``stalls_at`` of its way."""
    count = steps // every + 1
    if count < 20:
        raise ValueError(f"{steps} steps recorded every {every} make {count} records; 20 are the least")
    chosen = SHAPES[shape]
    rng = np.random.default_rng(seed)
    step = every * np.arange(count, dtype=np.int64)
    rate = chosen.rate(count)
    effort = every * (np.cumsum(rate) - rate[0])
    if stalls_at is not None:
        effort = np.minimum(effort, effort[step <= stalls_at * steps][-1])
    level = chosen.fall(effort, steps) + chosen.bounce * rate
    rows = np.arange(0, count, RECORDS_PER_VALIDATION)
    profile = LAYER_SPREAD ** np.arange(LAYERS) * GRADIENT_NORM / LAYER_SPREAD**LAYERS
    wobble = np.exp(0.15 * rng.standard_normal((count, LAYERS)))
    growth = 1.0 + 0.1 * effort[:, None] / steps
    return Recording(
        step=step,
        learning_rate=PEAK_LEARNING_RATE * rate,
        train_loss=level * np.exp(_noise(rng, count, noise, heavy_tails)),
        val_step=step[rows],
        val_loss=GENERALISATION_GAP * level[rows] * np.exp(0.3 * _noise(rng, len(rows), noise, heavy_tails)),
        grad_norm=profile * wobble * (level / level[0])[:, None],
        weight_norm=WEIGHT_NORM * growth * np.ones(LAYERS),
        update_ratio=UPDATE_RATIO_AT_PEAK * rate[:, None] * np.exp(0.1 * rng.standard_normal((count, LAYERS))),
    )


def _noise(rng: np.random.Generator, count: int, std: float, heavy_tails: bool) -> Array:
    if heavy_tails:
        return heavy_tailed_noise(rng, count, std=std)
    return ar1_noise(rng, count, std=std, correlation=NOISE_CORRELATION)
