"""The rules of SageMaker Debugger and of AutoTrainer, written down again from their published thresholds.

SageMaker Debugger: the built-in rules of its developer guide (VanishingGradient, ExplodingTensor, WeightUpdateRatio,
DeadRelu, SaturatedActivation, PoorWeightInitialization, LossNotDecreasing, Overfit), at their defaults, as far as what
the hooks record serves them. AutoTrainer (Zhang et al., ICSE 2021) monitors gradients, activations and accuracy; its
accuracy rules need an accuracy and are left out. Both are given the watched log, looked at every tenth step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainvitals import Run
from trainvitals.model import LayerSeries

Values = NDArray[np.float64]

SMALLEST_MEAN_GRADIENT = 1e-7
UPDATE_RATIOS = (1e-8, 10.0)
DEAD_SHARE = 0.5
SATURATED_SHARE = 0.5
INITIAL_STEPS = 10
LARGEST_VARIANCE_RATIO = 10.0
LOSS_STEPS = 10
OVERFIT_RATIO = 0.1

VANISHED_RATIO, VANISHED_FIRST = 1e-3, 1e-4
EXPLODED_RATIO = 70.0
ZERO_SHARE = 0.7
LARGEST_LOSS = 1e3
LARGEST_ACTIVATION = 10.0
JUDGED_FROM_SHARE = 0.3


def sagemaker_debugger(run: Run) -> list[str]:
    """Names, in ours, of the rules that fire at any step."""
    return sorted(set(_sagemaker_debugger(run)))


def autotrainer(run: Run) -> list[str]:
    """Names, in ours, of what it would repair."""
    return sorted(set(_autotrainer(run)))


def _sagemaker_debugger(run: Run) -> Iterator[str]:
    loss = _value(run, "train/loss")
    if (gradients := _layers(run, "grad_norm")) is not None:
        # The rule is on the mean absolute gradient; a norm is at least as large as that for any layer of size one up.
        if np.nanmin(gradients.value) < SMALLEST_MEAN_GRADIENT:
            yield "vanishing-gradients"
        if not np.isfinite(gradients.value).all():
            yield "exploding-gradients"
    if loss is not None and not np.isfinite(loss).all():
        yield "non-finite-loss"
    if (ratios := _layers(run, "update_ratio")) is not None:
        if np.nanmax(ratios.value) > UPDATE_RATIOS[1]:
            yield "updates-too-large"
        if np.nanmin(ratios.value) < UPDATE_RATIOS[0]:
            yield "updates-too-small"
    if (dormant := _layers(run, "dormant_unit_fraction")) is not None and np.nanmax(dormant.value) > DEAD_SHARE:
        yield "dead-units"
    saturated = _layers(run, "activation_saturated_fraction")
    if saturated is not None and np.nanmax(saturated.value) > SATURATED_SHARE:
        yield "saturated-activations"
    spread = _layers(run, "activation_std")
    if spread is not None:
        early = spread.value[spread.step < INITIAL_STEPS] ** 2
        if early.size and np.nanmax(early[0]) > LARGEST_VARIANCE_RATIO * max(np.nanmin(early[0]), 1e-30):
            yield "poor-initialisation"
    if loss is not None and len(loss) > LOSS_STEPS and (loss[LOSS_STEPS:] >= loss[:-LOSS_STEPS]).any():
        yield from ("not-learning", "plateau")
    validation = run.series.get("val/loss")
    if validation is not None and loss is not None:
        train = np.interp(validation.step, run.series["train/loss"].step, loss)
        if (validation.value - train > OVERFIT_RATIO * np.abs(train)).any():
            yield "overfitting"


def _autotrainer(run: Run) -> Iterator[str]:
    loss = _value(run, "train/loss")
    first_judged = JUDGED_FROM_SHARE * (run.last_step or 0)
    if loss is not None and (not np.isfinite(loss).all() or loss.max() >= LARGEST_LOSS):
        yield from ("non-finite-loss", "diverging-loss", "exploding-gradients")
    gradients = _layers(run, "grad_norm")
    if gradients is not None and gradients.value.shape[1] > 1:
        judged = gradients.value[gradients.step >= first_judged]
        ratio = judged[:, 0] / np.maximum(judged[:, -1], 1e-30)
        if ((ratio < VANISHED_RATIO) & (judged[:, 0] < VANISHED_FIRST)).any():
            yield "vanishing-gradients"
        if (ratio > EXPLODED_RATIO).any():
            yield "exploding-gradients"
    zeros = _layers(run, "activation_zero_fraction")
    if zeros is not None and (zeros.value[zeros.step >= first_judged] >= ZERO_SHARE).any():
        yield "dead-units"
    means = _layers(run, "activation_mean")
    if means is not None and (np.abs(means.value) >= LARGEST_ACTIVATION).any():
        yield "unnormalised-inputs"


def _layers(run: Run, kind: str) -> LayerSeries | None:
    try:
        found = run.layers(kind)
    except KeyError:
        return None
    return found if found.value.size and np.isfinite(found.value).any() else None


def _value(run: Run, tag: str) -> Values | None:
    return np.asarray(run.series[tag].value, np.float64) if tag in run.series else None
