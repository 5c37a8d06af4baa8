"""The gradient of each layer in a size that can be compared between layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import LayerSeries, StepArray
from trainvitals.view import RunView

Unit = Literal["of the weights", "a parameter", "as logged"]


@dataclass(frozen=True, slots=True, eq=False)
class LayerGradients:
    """Gradient norms ``[T, L]`` of the layers that train, input side first.

    Args:
        layers: ``[L]`` names; tags: ``[L]``.
        step: ``[T]``.
        value: ``[T, L]`` norm of the gradient over that of the weights, or over the root of the number of parameters,
            or as logged, according to ``unit``; NaN where not recorded or not finite.
        frozen: names of the layers left out because they have had no gradient from the start.
    """

    layers: tuple[str, ...]
    tags: tuple[str, ...]
    step: StepArray
    value: NDArray[np.float64]
    unit: Unit
    frozen: tuple[str, ...]


def layer_gradients(view: RunView) -> LayerGradients | None:
    """The gradients of the layers that train; None where they were not logged.

    Biases are left out where there are weights beside them, because their norms are of another size.
    """
    norms = view.layers("grad_norm")
    if norms is None:
        return None
    value = np.where(np.isfinite(norms.value), norms.value, np.nan)
    frozen = _frozen_prefix(value)
    keep = np.array([index >= frozen and index in _weights(norms.layers) for index in range(len(norms.layers))])
    scaled, unit = _comparable(view, norms, value)
    kept = np.flatnonzero(keep)
    tags = view.signals.per_layer["grad_norm"].tags
    return LayerGradients(
        layers=tuple(norms.layers[index] for index in kept),
        tags=tuple(tags[index] for index in kept),
        step=norms.step,
        value=scaled[:, kept],
        unit=unit,
        frozen=norms.layers[:frozen],
    )


def _frozen_prefix(value: NDArray[np.float64]) -> int:
    """How many layers at the input side never had a gradient: somebody froze them."""
    never = np.all(np.isnan(value) | (value == 0), axis=0)
    if bool(never.all()):
        return 0
    return int(np.argmin(never))


def _weights(layers: tuple[str, ...]) -> set[int]:
    weights = {index for index, name in enumerate(layers) if not name.casefold().endswith("bias")}
    return weights if len(weights) >= 3 else set(range(len(layers)))


def _comparable(view: RunView, norms: LayerSeries, value: NDArray[np.float64]) -> tuple[NDArray[np.float64], Unit]:
    weights = view.layers("weight_norm")
    if weights is not None and set(norms.layers) <= set(weights.layers):
        column = [weights.layers.index(name) for name in norms.layers]
        size = np.array([_median(weights.value[:, index]) for index in column])
        if bool(np.all(size > 0)):
            return value / size, "of the weights"
    counts = [_parameters(view, tag) for tag in view.signals.per_layer["grad_norm"].tags]
    if all(counts):
        return value / np.sqrt(np.array(counts)), "a parameter"
    return value, "as logged"


def _parameters(view: RunView, tag: str) -> float:
    """Number of parameters behind a histogram, 0 where the tag is none."""
    histogram = view.run.histograms.get(tag)
    return 0.0 if histogram is None or len(histogram) == 0 else _median(histogram.count)


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else 0.0
