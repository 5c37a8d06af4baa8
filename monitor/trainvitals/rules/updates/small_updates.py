"""A training whose weights hardly move: by how much, and which of the things that hold updates small are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.depth_profile import row_medians
from trainvitals.model import Series, StepArray
from trainvitals.rules.updates.sizes import is_adam, update_sizes
from trainvitals.view import RunView

OPEN_SHARE = 0.3
"""Of the peak of the rate. Below it a schedule holds the updates small: a warm-up, or its end."""

STILL_RISING_SHARE = 0.9
"""A rate whose peak lies in the last tenth of what was logged, and well above its first, is still warming up."""

NEARLY_EVERY = 0.9
"""Share of the steps that are clipped."""

FEWEST = 5


@dataclass(frozen=True, slots=True)
class Standstill:
    """How small the updates are while the learning rate is open.

    Args:
        ratio: update ratio of the median weight matrix. tag: of its first matrix.
        reach: share of its size by which it can have moved in the whole run, had all updates pointed one way.
        starved: the early matrices hardly move beside the late ones.
        first_step, last_step: of the records of updates.
        warming_up: the rate is still on its way up.
        cosine, cosine_score: of successive gradients, mean and over its standard error; None where not recorded.
        throttle: what clipping leaves of the gradient where it shortens (nearly) every one; 1 elsewhere.
        epsilon_share: of the weights whose Adam denominator is mostly epsilon, of the median layer; None likewise.
        gradient_share: gradient norm of late over that at the start; 1 where not recorded.
        adam: whether the optimizer is of Adam's kind; None where unknown.
    """

    ratio: float
    tag: str
    reach: float
    starved: bool
    first_step: int
    last_step: int
    warming_up: bool
    cosine: float | None
    cosine_score: float | None
    throttle: float
    epsilon_share: float | None
    gradient_share: float
    adam: bool | None


def standstill(view: RunView) -> Standstill | None:
    """How small the updates are; None where too few were recorded while the rate was open."""
    sizes = update_sizes(view)
    if sizes is None:
        return None
    at_work = while_open(view, sizes.step)
    ratio = sizes.middle[at_work & ~np.isnan(sizes.middle)]
    if len(ratio) < FEWEST:
        return None
    cosine = _finite(view.recorded(tags.GRADIENT_COSINE))
    enough = len(cosine) >= FEWEST
    clipped, kept = clipping(view)
    mean = float(np.mean(cosine)) if enough else None
    error = float(np.std(cosine)) / np.sqrt(len(cosine)) if enough else 0.0
    return Standstill(
        ratio=float(np.median(ratio)),
        tag=sizes.tags[0],
        reach=sizes.reach,
        starved=sizes.starved,
        first_step=int(sizes.step[0]),
        last_step=int(sizes.step[-1]),
        warming_up=is_warming_up(view.learning_rate),
        cosine=mean,
        cosine_score=None if mean is None else mean / max(error, 1e-12),
        throttle=kept if clipped >= NEARLY_EVERY else 1.0,
        epsilon_share=epsilon_share(view),
        gradient_share=_gradient_share(view),
        adam=is_adam(view.run),
    )


def while_open(view: RunView, step: StepArray) -> NDArray[np.bool_]:
    """At which of these steps ``[T]`` the learning rate was neither warming up nor run down; all where not logged."""
    rate = view.learning_rate
    if rate is None or not len(rate) or not float(rate.value.max()) > 0:
        return np.ones(len(step), np.bool_)
    at = np.clip(np.searchsorted(rate.step, step, side="right") - 1, 0, None)
    return np.asarray(rate.value[at] >= OPEN_SHARE * float(rate.value.max()))


def is_warming_up(rate: Series | None) -> bool:
    """Whether the rate ends near its peak, which it had never reached before, far above where it began."""
    if rate is None or len(rate) < FEWEST or not float(rate.value.max()) > 0:
        return False
    peak = int(np.argmax(rate.value))
    late = peak >= STILL_RISING_SHARE * (len(rate) - 1)
    return late and float(rate.value[0]) < OPEN_SHARE * float(rate.value[peak])


def clipping(view: RunView) -> tuple[float, float]:
    """Share of the steps that are clipped, and what is left of the median gradient; (0, 1) where not recorded."""
    clipped = _finite(view.recorded(tags.CLIPPED))
    before = _finite(_norm(view, tags.GRADIENT_NORM_BEFORE_CLIPPING))
    after = _finite(_norm(view, tags.GRADIENT_NORM))
    if min(len(clipped), len(before), len(after)) < FEWEST or not float(np.median(before)) > 0:
        return 0.0, 1.0
    return float(np.mean(clipped)), float(np.median(after) / np.median(before))


def epsilon_share(view: RunView) -> float | None:
    """Share of the weights whose Adam denominator is mostly epsilon: median layer, median record."""
    shares = view.layers("epsilon_share")
    if shares is None or len(shares) < FEWEST:
        return None
    middle = row_medians(np.where(np.isfinite(shares.value), shares.value, np.nan))
    known = middle[~np.isnan(middle)]
    return float(np.median(known)) if len(known) >= FEWEST else None


def _gradient_share(view: RunView) -> float:
    norm = _finite(_norm(view, tags.GRADIENT_NORM))
    if len(norm) < 2 * FEWEST or not float(np.median(norm[:FEWEST])) > 0:
        return 1.0
    return float(np.median(norm[len(norm) // 2 :]) / np.median(norm[:FEWEST]))


def _norm(view: RunView, tag: str) -> Series | None:
    return view.series(tag) if tag in view.signals.grad_norm else None


def _finite(series: Series | None) -> NDArray[np.float64]:
    return np.empty(0) if series is None else np.asarray(series.finite().value, np.float64)
