"""Faults of the optimizer, the schedule and the step."""

from __future__ import annotations

from dataclasses import replace

import torch
from benchmarks.exam.fault import NOTHING_SHOWS, Fault, no, once, symptom, yes
from benchmarks.exam.training import Settings, Training

STUCK = ("plateau", "not-learning")
BLOWN_UP = ("diverging-loss", "non-finite-loss", "loss-spikes", "exploding-gradients")


def _rate(factor: float):
    return lambda settings: replace(settings, learning_rate=settings.learning_rate * factor)


def _multiply_rate(factor: float):
    def change(training: Training) -> None:
        training.rate_factor *= factor

    return once(change)


def _stop_updates(training: Training) -> None:
    training.makes_updates = False


def _keep_gradients(training: Training) -> None:
    training.zeroes_gradients = False


def _own_group(training: Training, last: bool, factor: float) -> None:
    """The last (or first) weight matrix gets a learning rate of its own."""
    matrices = [parameter for parameter in training.network.parameters() if parameter.dim() > 1]
    chosen = matrices[-1 if last else 0]
    group = training.optimizer.param_groups[0]
    group["params"] = [parameter for parameter in group["params"] if parameter is not chosen]
    options = {name: value for name, value in group.items() if name not in ("params", "lr", "param_names")}
    training.optimizer.add_param_group({"params": [chosen], "lr": group["lr"], "rate_factor": factor, **options})


def _forget_layer(training: Training) -> None:
    """One layer in the middle is not handed to the optimizer."""
    modules = [each for each in training.network.modules() if isinstance(each, torch.nn.Linear | torch.nn.Conv2d)]
    left_out = {id(parameter) for parameter in modules[len(modules) // 2].parameters()}
    group = training.optimizer.param_groups[0]
    group["params"] = [parameter for parameter in group["params"] if id(parameter) not in left_out]


def _ends_early(settings: Settings) -> Settings:
    return replace(settings, schedule="constant")


def _rate_to_zero(training: Training) -> None:
    end = training.onset + training.settings.steps // 10
    training.rate_factor = max(0.0, (end - training.step) / (end - training.onset))


FAULTS = (
    Fault(
        "rate_jumps_up",
        ("learning-rate-too-high", "diverging-loss", "updates-too-large"),
        BLOWN_UP,
        yes("the rate is logged, and loss and update ratios jump with it"),
        yes("the logged rate jumps, and the loss with it"),
        ("mlp_teacher_sgd", "cnn_images_sgd", "residual_spirals_sgd"),
        sets_in=0.45,
        before=_multiply_rate(60),
    ),
    Fault(
        "rate_too_high",
        ("learning-rate-too-high", "updates-too-large"),
        (*STUCK, *BLOWN_UP, "oscillating-loss", "dead-units", "saturated-activations"),
        yes("update ratios far above 1e-2 in every layer while the loss does not fall"),
        symptom("the loss is noisy and does not fall, which has other causes too"),
        ("mlp_spirals_adam", "gpt_grammar", "gru_recall", "vit_images"),
        settings=_rate(100),
    ),
    Fault(
        "rate_too_low",
        ("learning-rate-too-low", "updates-too-small"),
        (*STUCK,),
        yes("update ratios below 1e-5 in every layer, successive gradients point the same way"),
        symptom("the loss hardly moves"),
        ("mlp_spirals_adam", "cnn_images_adamw", "gpt_constant", "residual_teacher"),
        settings=_rate(2e-4),
    ),
    Fault(
        "rate_ends_early",
        ("learning-rate-exhausted",),
        ("plateau",),
        yes("the logged rate reaches zero with half of the training ahead"),
        yes("the logged rate reaches zero with half of the training ahead"),
        ("mlp_spirals_adam", "gpt_constant", "gru_recall"),
        sets_in=0.3,
        settings=_ends_early,
        before=_rate_to_zero,
    ),
    Fault(
        "no_warm_up",
        ("missing-warmup", "learning-rate-too-high"),
        (*BLOWN_UP, *STUCK, "updates-too-large"),
        yes("a large rate from the first step, and gradients and loss jump in the first steps"),
        symptom("the loss rises in the first steps at a rate that is not warmed up"),
        ("gpt_grammar", "vit_images"),
        held_out=True,
        settings=lambda settings: replace(settings, warmup_steps=0, learning_rate=settings.learning_rate * 10),
    ),
    Fault(
        "updates_stop",
        ("parameters-not-updated", "updates-too-small"),
        ("plateau",),
        yes("no step is made any more while losses go on being logged"),
        symptom("the loss stands still from there on"),
        ("mlp_spirals_adam", "cnn_images_adamw", "gpt_constant"),
        sets_in=0.35,
        before=_stop_updates,
    ),
    Fault(
        "layer_not_in_optimizer",
        ("parameters-not-updated",),
        (),
        yes("the layer's parameters are owned by no optimizer, and it has no update ratio"),
        no("the other layers learn around it"),
        ("mlp_deep_tanh", "cnn_images_sgd", "gpt_constant"),
        wire=_forget_layer,
    ),
    Fault(
        "gradients_not_zeroed",
        ("stale-gradients",),
        (*STUCK, *BLOWN_UP),
        yes("gradients of earlier steps are still there when a step begins"),
        symptom("the loss is worse than it was, or blows up"),
        ("mlp_teacher_sgd", "cnn_images_adamw", "residual_teacher"),
        sets_in=0.2,
        before=_keep_gradients,
        held_out=True,
    ),
    Fault(
        "epsilon_dominates",
        ("adam-epsilon-dominates", "updates-too-small", "learning-rate-too-low"),
        STUCK,
        yes("Adam's denominator is epsilon in nearly every weight"),
        symptom("the loss hardly moves"),
        ("mlp_spirals_adam", "gpt_constant", "convolutions_recall"),
        held_out=True,
        settings=lambda settings: replace(settings, epsilon=10.0),
    ),
    Fault(
        "weight_decay_dominates",
        ("weight-decay-dominates",),
        STUCK,
        yes("weight norms fall steadily towards zero, and rate times decay is large"),
        symptom("the loss ends at chance"),
        ("mlp_deep_tanh", "cnn_images_sgd", "gpt_constant"),
        settings=lambda settings: replace(settings, weight_decay=60.0 if settings.optimizer == "adamw" else 0.5),
    ),
    Fault(
        "clipping_saturated",
        ("clipping-saturated", "updates-too-small", "learning-rate-too-low"),
        STUCK,
        yes("every step is clipped, far below the norm before clipping"),
        symptom("the loss hardly moves"),
        ("mlp_teacher_sgd", "cnn_images_sgd", "residual_spirals_sgd"),
        settings=lambda settings: replace(settings, clip=True, clip_norm=1e-4),
    ),
    Fault(
        "one_layer_too_fast",
        ("updates-too-large", "learning-rate-too-high"),
        (*BLOWN_UP, *STUCK),
        yes("the update ratio of one layer is a hundred times that of the others"),
        NOTHING_SHOWS,
        ("mlp_spirals_adam", "gpt_constant", "residual_teacher"),
        sets_in=0.3,
        held_out=True,
        before=once(lambda training: _own_group(training, last=True, factor=300.0)),
    ),
    Fault(
        "noise_dominates",
        ("gradient-noise-dominates",),
        ("plateau",),
        symptom("the noise scale is many times the batch; whether more batch would help needs a trial"),
        no("a noise floor is normal"),
        ("mlp_teacher_sgd", "residual_spirals_sgd"),
        settings=lambda settings: replace(
            settings, batch=1, schedule="constant", steps=2500, learning_rate=settings.learning_rate / 5
        ),
        # Many train like this on purpose.
        is_note=True,
    ),
)
