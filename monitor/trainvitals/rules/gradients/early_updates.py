"""How fast the early layers move, beside the late ones and by themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.depth_profile import MINIMUM_LAYERS, first_third_over_last, row_medians
from trainvitals.model import LayerSeries
from trainvitals.rules.gradients.layer_gradients import LayerGradients
from trainvitals.view import RunView

LATE = 0.5
"""What holds over the median of the second half of the run is no transient of the start."""

BY_DECAY_ALONE = 2.0
"""Times the pace at which weight decay by itself shrinks the weights. What is no faster has no gradient to speak of: in
a layer that learns, decay and gradient balance at a pace many times that (Kosson et al. 2024)."""

COUPLED = ("Adam", "NAdam", "RAdam", "Adagrad", "RMSprop")
"""Optimizers that turn decay into a part of the gradient before they scale it, so that its pace is not known."""


@dataclass(frozen=True, slots=True)
class EarlyUpdates:
    """Update ratios in the second half of the run, without what weight decay alone does.

    Args:
        share: those of the first third of the layers over those of the last. pace: those of the first third.
    """

    share: float
    pace: float


def early_updates(view: RunView, gradients: LayerGradients, first_step: int = 0) -> EarlyUpdates | None:
    """The update ratios of the layers whose gradients are compared; None where they were not logged.

    Args:
        first_step: what was recorded before is left out.
    """
    ratios = view.layers("update_ratio")
    if ratios is None:
        return None
    column = [ratios.layers.index(name) for name in gradients.layers if name in ratios.layers]
    if len(column) < MINIMUM_LAYERS:
        return None
    value = beyond_decay(view, ratios)[ratios.step >= first_step][:, column]
    share, pace = first_third_over_last(value), row_medians(value[:, : len(column) // 3])
    share, pace = share[~np.isnan(share)], pace[~np.isnan(pace)]
    return EarlyUpdates(late_median(share), late_median(pace)) if len(share) else None


def beyond_decay(view: RunView, ratios: LayerSeries) -> NDArray[np.float64]:
    """Update ratios ``[T, L]``, 0 where weight decay alone explains them; NaN where not finite."""
    value = np.where(np.isfinite(ratios.value), ratios.value, np.nan)
    return np.where(value <= BY_DECAY_ALONE * _pace_of_decay(view, ratios)[:, None], 0.0, value)


def late_median(value: NDArray[np.float64]) -> float:
    """Of the second half of ``[T]`` records."""
    return float(np.median(value[int(LATE * len(value)) :]))


def _pace_of_decay(view: RunView, ratios: LayerSeries) -> NDArray[np.float64]:
    """``[T]`` update ratio of a layer without a gradient: rate times decay, summed up by momentum; 0 if unknown."""
    settings, rate = view.run.hyper_parameters, view.learning_rate
    decay, momentum = settings.get("weight_decay"), settings.get("momentum", 0.0)
    if not isinstance(decay, int | float) or not isinstance(momentum, int | float) or not 0 <= momentum < 1:
        return np.zeros(len(ratios))
    if rate is None or len(rate) == 0 or settings.get("optimizer") in COUPLED:
        return np.zeros(len(ratios))
    return np.asarray(np.interp(ratios.step, rate.step, rate.value) * decay / (1.0 - momentum))
