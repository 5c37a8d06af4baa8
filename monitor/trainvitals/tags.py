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
CLIPPED = "train/grad_clipped"
"""Share of the calls of ``clip_grad_norm_`` in a step that made the gradient shorter, from 0 to 1."""
NON_FINITE_GRADIENTS = "train/grad_non_finite"
"""Number of parameters whose gradient norm is NaN or infinite."""
NON_FINITE_WEIGHTS = "train/weight_non_finite"
"""Number of parameters whose weight norm is NaN or infinite."""
WEIGHT_DECAY = "weight_decay"
STEP_TIME_S = "system/step_time_s"
"""Seconds from the end of one step to that of the next, mean since the last record, without the monitor's own time."""
DATA_TIME_S = "system/data_time_s"
"""Seconds from the end of a step to the next forward pass: waiting for data, and what else the loop does there."""
THROUGHPUT_PER_S = "system/samples_per_s"
TOKENS_PER_S = "system/tokens_per_s"
MEMORY_BYTES = "system/memory_bytes"
EPOCH = "progress/epoch"
TOKENS = "progress/tokens"
"""Tokens seen since the run began."""
SAMPLES = "progress/samples"
"""Samples seen since the run began."""
OVERHEAD_PERCENT = "monitor/overhead_pct"
"""Time inside the monitor over the time of the training itself since the last record, in percent."""
EVERY = "monitor/every"
"""Steps from one full record to the next, as the budget has it now."""

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


def of_optimizer(tag: str, number: int) -> str:
    """The tag of a quantity that each of several optimizers has: ``train/optimizer1/grad_norm``."""
    group, _, name = tag.partition("/")
    return f"{group}/optimizer{number}/{name}"


def train_metric(name: str, domain: str = "") -> str:
    """The tag of one quantity of the training data, of all of it or of one domain."""
    return f"train/{domain}/{name}" if domain else f"train/{name}"


def validation_metric(name: str, suite: str = "") -> str:
    """The tag of one quantity of a validation suite."""
    return f"val/{suite}/{name}" if suite else f"val/{name}"


def event(kind: str) -> str:
    """The tag of a marker, whose text is what happened."""
    return f"event/{kind}"


def weight_decay(group: int) -> str:
    """The tag of one parameter group's weight decay."""
    return f"{WEIGHT_DECAY}/group{group}"


def learning_rate(group: int) -> str:
    """The tag of one parameter group's learning rate."""
    return f"{LEARNING_RATE}/group{group}"
