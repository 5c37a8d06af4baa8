"""Loss curves of known kind for the tests of progress."""

import numpy as np
from numpy.typing import NDArray
from tests.monitor.maths.made_noise import autoregressive

Curve = tuple[NDArray[np.int64], NDArray[np.float64]]
STEP = np.arange(1, 401, dtype=np.int64) * 100


def power_law(sd: float = 0.004, seed: int = 0) -> Curve:
    """Like a language model: slow, and still improving at the end."""
    return STEP, 2.0 + 20.0 * STEP**-0.4 + noise(sd, seed)


def frozen(at: int, sd: float = 0.002, seed: int = 0) -> Curve:
    """The same, held at its value from point ``at`` on."""
    loss = 2.0 + 20.0 * STEP**-0.4
    return STEP, np.where(np.arange(len(STEP)) < at, loss, loss[at]) + noise(sd, seed)


def exponential(sd: float = 0.002, seed: int = 0, constant: float = 4000.0) -> Curve:
    """Like a small classifier: quickly to its floor."""
    return STEP, 0.3 + 2.0 * np.exp(-STEP / constant) + noise(sd, seed)


def noise(sd: float, seed: int) -> NDArray[np.float64]:
    return autoregressive(np.random.default_rng(seed), len(STEP), 0.5, sd=sd) if sd else np.zeros(len(STEP))


def cosine_rate(end: float = 0.0) -> Curve:
    """A cosine schedule from 1e-3 to ``end`` of that."""
    return STEP, 1e-3 * (end + (1 - end) * (1 + np.cos(np.pi * STEP / STEP[-1])) / 2)
