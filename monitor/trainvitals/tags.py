"""The tag names that the hooks write and the rules read: the one contract between the two packages.

A per-layer signal is one tag a layer, ``<kind>/<layer>``, so that TensorBoard groups it by kind. ``TAGS`` and
``PER_LAYER_KINDS`` say what each number is; ``docs/recording.md`` is made from them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recorded number is.

    Args:
        unit: of the number; ``1`` for a plain ratio.
        meaning: one sentence.
    """

    unit: str
    meaning: str


TRAIN_LOSS = "train/loss"
VALIDATION_LOSS = "val/loss"
LEARNING_RATE = "learning_rate"
WEIGHT_DECAY = "weight_decay"
GRADIENT_NORM = "train/grad_norm"
GRADIENT_NORM_BEFORE_CLIPPING = "train/grad_norm_before_clipping"
CLIPPED = "train/grad_clipped"
NON_FINITE_GRADIENTS = "train/grad_non_finite"
NON_FINITE_WEIGHTS = "train/weight_non_finite"
LOSS_SCALE = "train/loss_scale"
SKIPPED_STEPS = "train/skipped_steps"
GRADIENT_NOISE_SCALE = "train/gradient_noise_scale"
GRADIENT_NOISE_SCALE_PROXY = "train/gradient_noise_scale_adam_proxy"
GRADIENT_COSINE = "train/grad_cosine"
BATCH_MEAN = "input/mean"
BATCH_STD = "input/std"
BATCH_ABS_MAX = "input/abs_max"
BATCH_CHECKSUM = "input/checksum"
BATCH_SEEN_BEFORE = "input/seen_before_fraction"
TOKEN_DIVERSITY = "input/distinct_token_fraction"
OUTPUT_LOG_Z = "output/log_z"
OUTPUT_ROW_SUM = "output/row_sum"
UNOWNED_PARAMETERS = "wiring/unowned_parameters"
NO_GRADIENT = "wiring/no_gradient"
NOT_MOVED = "wiring/not_moved"
GRADIENTS_KEPT = "wiring/gradients_kept"
EVAL_MODE = "wiring/eval_mode_fraction"
MODEL_IN_EVAL_MODE = "wiring/model_in_eval_mode"
STEP_TIME_S = "system/step_time_s"
DATA_TIME_S = "system/data_time_s"
FORWARD_TIME_S = "system/forward_time_s"
BACKWARD_TIME_S = "system/backward_time_s"
OPTIMIZER_TIME_S = "system/optimizer_time_s"
COMMUNICATION_TIME_S = "system/communication_time_s"
PARAMETER_CHECKSUM = "system/parameter_checksum"
THROUGHPUT_PER_S = "system/samples_per_s"
TOKENS_PER_S = "system/tokens_per_s"
MEMORY_BYTES = "system/memory_bytes"
ACCELERATOR_MEMORY_BYTES = "system/accelerator_memory_bytes"
EPOCH = "progress/epoch"
TOKENS = "progress/tokens"
SAMPLES = "progress/samples"
NON_FINITE_ORIGIN = "event/non_finite_origin"
FRAMEWORK = "framework"
"""The setting in which an integration names the framework that the training is written in."""
CHECKPOINT = "checkpoint"
"""The kind of the marker of a checkpoint; its ``path``, if told, says where it lies."""
INTERVENTION = "intervention"
"""The kind of the marker of a change made on purpose; what came before is held against what comes after."""
PROBE_SET_LOSS = "probe_set/loss"
DIAGNOSIS = "trainvitals/diagnosis"
"""A text: what the live diagnosis says, whenever that changes and at the end."""
OVERHEAD_PERCENT = "monitor/overhead_pct"
EVERY = "monitor/every"

TAGS = {
    TRAIN_LOSS: Recorded("as logged", "loss of the step, the mean over its micro-batches"),
    VALIDATION_LOSS: Recorded("as logged", "loss on the validation set; `val/<suite>/loss` where there are several"),
    LEARNING_RATE: Recorded("1", "learning rate of each parameter group, `learning_rate/group<N>`"),
    WEIGHT_DECAY: Recorded("1", "weight decay of each parameter group, `weight_decay/group<N>`"),
    GRADIENT_NORM: Recorded("loss / weight", "norm of the whole gradient as the optimizer saw it, after clipping"),
    GRADIENT_NORM_BEFORE_CLIPPING: Recorded("loss / weight", "norm of the whole gradient before clipping"),
    CLIPPED: Recorded("share, 0 to 1", "share of the calls of `clip_grad_norm_` that made the gradient shorter"),
    NON_FINITE_GRADIENTS: Recorded("parameters", "parameters whose gradient norm is NaN or infinite"),
    NON_FINITE_WEIGHTS: Recorded("parameters", "parameters with a NaN or infinite weight in their sample"),
    LOSS_SCALE: Recorded("1", "factor by which automatic mixed precision multiplies the loss"),
    SKIPPED_STEPS: Recorded("steps", "updates skipped since the run began because the scaled gradient overflowed"),
    GRADIENT_NOISE_SCALE: Recorded(
        "samples", "batch size beyond which a larger batch hardly helps, from two batch sizes"
    ),
    GRADIENT_NOISE_SCALE_PROXY: Recorded("batches", "the same in batches, estimated from Adam's moments: a proxy"),
    GRADIENT_COSINE: Recorded("-1 to 1", "cosine between the gradients of two successive steps"),
    BATCH_MEAN: Recorded("as fed", "mean of the input of the model"),
    BATCH_STD: Recorded("as fed", "standard deviation of the input of the model"),
    BATCH_ABS_MAX: Recorded("as fed", "largest absolute value of the input of the model, of a sample"),
    BATCH_CHECKSUM: Recorded("none", "the same for equal batches only, so that a repeated batch shows"),
    BATCH_SEEN_BEFORE: Recorded("share, 0 to 1", "share of the batch's examples that an earlier recorded batch held"),
    TOKEN_DIVERSITY: Recorded("share, 0 to 1", "different tokens in the batch over all its tokens"),
    OUTPUT_LOG_Z: Recorded("nats", "mean log of the sum of the exponentials of the output's last axis"),
    OUTPUT_ROW_SUM: Recorded("as put out", "mean sum over the output's last axis; near 1 where a softmax came already"),
    UNOWNED_PARAMETERS: Recorded("parameters", "trainable parameters of the model that no optimizer updates"),
    NO_GRADIENT: Recorded("parameters", "parameters of an optimizer that got no gradient in this step"),
    NOT_MOVED: Recorded("parameters", "parameters that got a gradient and did not change since the record before"),
    GRADIENTS_KEPT: Recorded("0 or 1", "1 where the update used gradients that an earlier update had used already"),
    EVAL_MODE: Recorded(
        "share, 0 to 1", "share of the dropout and batch norm modules in evaluation mode in a training step"
    ),
    MODEL_IN_EVAL_MODE: Recorded("0 or 1", "1 where the whole model was in evaluation mode in a training step"),
    STEP_TIME_S: Recorded(
        "s", "end of one step to the end of the next, mean since the last record, without the monitor's own time"
    ),
    DATA_TIME_S: Recorded("s", "end of a step to the next forward pass: waiting for data, and what else is done there"),
    FORWARD_TIME_S: Recorded("s", "forward passes of the step"),
    BACKWARD_TIME_S: Recorded(
        "s", "end of a forward pass to the next, or to the update: loss, backward pass, clipping"
    ),
    OPTIMIZER_TIME_S: Recorded("s", "the update itself"),
    COMMUNICATION_TIME_S: Recorded(
        "s",
        "from the last gradient of its own that the slowest rank computes to the end of the exchange; the same of each"
        " rank, which holds its waiting for slower ones, under `system/rank<N>/communication_time_s`",
    ),
    PARAMETER_CHECKSUM: Recorded(
        "none", "the same on all ranks that hold the same weights, `system/rank<N>/parameter_checksum`"
    ),
    THROUGHPUT_PER_S: Recorded("samples / s", "samples told to `log`, over the time since the last record"),
    TOKENS_PER_S: Recorded("tokens / s", "tokens told to `log`, over the time since the last record"),
    MEMORY_BYTES: Recorded("bytes", "main memory that the process holds"),
    ACCELERATOR_MEMORY_BYTES: Recorded("bytes", "memory of the accelerator allocated by PyTorch"),
    EPOCH: Recorded("epochs", "as told to `log`"),
    TOKENS: Recorded("tokens", "tokens seen since the run began"),
    SAMPLES: Recorded("samples", "samples seen since the run began"),
    NON_FINITE_ORIGIN: Recorded(
        "text", "what the first NaN or infinity came from: JSON of kind, module, step and text"
    ),
    PROBE_SET_LOSS: Recorded("as computed", "mean loss of the probe set: the same examples at every evaluation"),
    OVERHEAD_PERCENT: Recorded("%", "time inside the monitor over that of the training itself since the last record"),
    EVERY: Recorded("steps", "from one full record to the next, as the budget has it now"),
}
"""What stands under one tag, or under one a group, optimizer or suite."""

PER_LAYER_KINDS = {
    "grad_norm": Recorded("loss / weight", "Euclidean norm of the layer's gradient"),
    "weight_norm": Recorded(
        "weight",
        "Euclidean norm of the layer's weights, measured at every tenth record and followed by a sample in between",
    ),
    "update_ratio": Recorded("1", "norm of the last update over the norm of the weights"),
    "activation_mean": Recorded("as put out", "mean of the layer's output"),
    "activation_std": Recorded("as put out", "standard deviation of the layer's output"),
    "activation_abs_max": Recorded("as put out", "largest absolute value of the layer's output, of a sample"),
    "activation_zero_fraction": Recorded("share, 0 to 1", "share of the layer's outputs that are exactly zero"),
    "activation_saturated_fraction": Recorded(
        "share, 0 to 1", "share of the layer's outputs in the flat ends of its activation; layers take turns"
    ),
    "dormant_unit_fraction": Recorded(
        "share, 0 to 1",
        "share of the units whose mean absolute output, over 128 examples, is at most 0.025 of the layer's mean",
    ),
    "effective_rank": Recorded("dimensions", "number of directions that the layer's outputs spread over"),
    "unit_similarity": Recorded("0 to 1", "mean absolute cosine between the incoming weights of the layer's units"),
    "attention_entropy": Recorded("nats", "mean entropy of the attention weights over the keys"),
    "attention_logit_max": Recorded("1", "largest attention logit, of a sample"),
    "epsilon_share": Recorded("share, 0 to 1", "share of the weights whose Adam denominator is mostly epsilon"),
    "gradient_over_second_moment": Recorded("1", "root of the mean of gradient² over Adam's second moment"),
    "probe_set_example_loss": Recorded("as computed", "loss of one example of the probe set"),
}
"""What stands under one tag a layer (or an example of the probe set)."""


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


def of_rank(tag: str, rank: int) -> str:
    """The tag of a quantity that each process of a training has: ``system/rank1/step_time_s``."""
    group, _, name = tag.partition("/")
    return f"{group}/rank{rank}/{name}"


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
