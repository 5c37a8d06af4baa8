"""The tag names that the hooks write and the rules read: the one contract between the two packages.

A per-layer signal is one tag a layer, ``<kind>/<layer>``, so that TensorBoard groups it by kind.
"""

from __future__ import annotations

TRAIN_LOSS = "train/loss"
VALIDATION_LOSS = "val/loss"
LEARNING_RATE = "learning_rate"
GRADIENT_NORM = "train/grad_norm"
"""Norm of the whole gradient as the optimizer saw it, that is after clipping."""
GRADIENT_NORM_BEFORE_CLIPPING = "train/grad_norm_before_clipping"
STEP_TIME_S = "system/step_time_s"
THROUGHPUT_PER_S = "system/samples_per_s"
MEMORY_BYTES = "system/memory_bytes"
EPOCH = "progress/epoch"
TOKENS = "progress/tokens"

PER_LAYER_KINDS = {
    "grad_norm": "Euclidean norm of the layer's gradient",
    "weight_norm": "Euclidean norm of the layer's weights",
    "update_ratio": "norm of the last update over the norm of the weights",
    "activation_mean": "mean of the layer's output",
    "activation_std": "standard deviation of the layer's output",
    "activation_abs_max": "largest absolute value of the layer's output",
    "activation_zero_fraction": "share of the layer's outputs that are exactly zero",
    "activation_saturated_fraction": "share of the layer's outputs in the flat ends of its activation",
}


def per_layer(kind: str, layer: str) -> str:
    """The tag of one layer's signal.

    Raises:
        ValueError: ``kind`` is none of ``PER_LAYER_KINDS``.
    """
    if kind not in PER_LAYER_KINDS:
        raise ValueError(f"no per-layer signal {kind!r}; there are: {', '.join(PER_LAYER_KINDS)}")
    return f"{kind}/{layer}"


def validation_loss(suite: str = "") -> str:
    """The tag of one validation suite's loss; the unnamed suite is ``val/loss``."""
    return f"val/{suite}/loss" if suite else VALIDATION_LOSS


def learning_rate(group: int) -> str:
    """The tag of one parameter group's learning rate."""
    return f"{LEARNING_RATE}/group{group}"
