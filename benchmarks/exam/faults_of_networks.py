"""Faults of the network: its initialisation, its activations, its numbers."""

from __future__ import annotations

from dataclasses import replace

import torch
from benchmarks.exam.fault import NOTHING_SHOWS, Fault, no, once, symptom, yes
from benchmarks.exam.faults_of_optimisation import BLOWN_UP, STUCK
from benchmarks.exam.training import Training
from torch import nn

LAYERS = (nn.Linear, nn.Conv2d, nn.Conv1d)


def _layers(training: Training) -> list[nn.Module]:
    return [module for module in training.network.modules() if isinstance(module, LAYERS)]


@torch.no_grad()
def _kill_units(training: Training) -> None:
    # A normalisation between a layer and its activation would take the layer's own shift away again.
    norms = [module for module in training.network.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in [*_layers(training)[:-1], *norms]:
        layer.bias -= 100.0


@torch.no_grad()
def _scale_weights(training: Training, factor: float) -> None:
    for parameter in training.network.parameters():
        if parameter.dim() > 1:
            parameter *= factor


@torch.no_grad()
def _same_weights(training: Training) -> None:
    for layer in _layers(training):
        layer.weight.fill_(0.05)
        if layer.bias is not None:
            layer.bias.zero_()


@torch.no_grad()
def _sharpen_attention(training: Training) -> None:
    for name, parameter in training.network.named_parameters():
        if name.endswith("qkv.weight"):
            parameter[: 2 * parameter.shape[0] // 3] *= 30.0


class _Detach(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach()


def _detach(training: Training) -> None:
    layers = list(training.network)
    training.network = nn.Sequential(*layers[:-1], _Detach(), layers[-1])


class _Grow(nn.Module):
    """Each pass makes its input a little larger than the one before did."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def _insert_growth(training: Training) -> None:
    layers = list(training.network)
    training.network = nn.Sequential(*layers[:2], _Grow(), *layers[2:])


def _grow(training: Training) -> None:
    next(module for module in training.network.modules() if isinstance(module, _Grow)).factor *= 1.02


class _NotANumber(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(self.inner(x) - 1e9)


def _break_module(training: Training) -> None:
    layers = [name for name, module in training.network.named_modules() if isinstance(module, LAYERS)]
    parent, _, name = layers[len(layers) // 2].rpartition(".")
    owner = training.network.get_submodule(parent)
    setattr(owner, name, _NotANumber(getattr(owner, name)))


def _drift(training: Training, loss: torch.Tensor, x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """A pull on all outputs alike, which cross entropy does not see; the value of the loss stays what it was."""
    pull = 0.05 * training.network(x).float().mean()
    return loss - pull + pull.detach()


def _evaluate(training: Training) -> None:
    training.network.eval()


def _deep(activation: str):
    return lambda settings: replace(
        settings,
        network="mlp",
        optimizer="sgd",
        learning_rate=0.02,
        network_options={"depth": 10, "width": 48, "activation": activation},
    )


FAULTS = (
    Fault(
        "vanishing_gradients",
        ("vanishing-gradients",),
        (*STUCK,),
        yes("gradients fall by orders of magnitude from the last layer to the first"),
        symptom("the loss stays at its start"),
        ("mlp_spirals_adam", "mlp_teacher_sgd", "residual_spirals_sgd"),
        settings=_deep("sigmoid"),
    ),
    Fault(
        "exploding_gradients",
        ("exploding-gradients", "poor-initialisation"),
        (*BLOWN_UP, "activation-growth", *STUCK),
        yes("gradients grow by orders of magnitude from the last layer to the first"),
        symptom("the loss starts at a thousand times that of a guess, and blows up"),
        ("mlp_teacher_sgd", "residual_spirals_sgd"),
        settings=_deep("relu"),
        # 2.45 times what PyTorch draws keeps the size of a signal through ReLU layers (He et al. 2015).
        prepare=lambda training: _scale_weights(training, 6.0),
    ),
    Fault(
        "units_die",
        ("dead-units",),
        (*STUCK, *BLOWN_UP),
        yes("nearly all outputs of the hidden layers are zero from there on"),
        symptom("the loss jumps and does not come back"),
        ("mlp_spirals_adam", "cnn_images_sgd", "convolutions_recall"),
        sets_in=0.4,
        before=once(_kill_units),
    ),
    Fault(
        "units_saturate",
        ("saturated-activations", "poor-initialisation", "vanishing-gradients"),
        (*STUCK, *BLOWN_UP),
        yes("nearly all outputs of the hidden layers are at the ends of tanh"),
        symptom("the loss jumps"),
        ("mlp_deep_tanh",),
        sets_in=0.35,
        before=once(lambda training: _scale_weights(training, 40.0)),
        held_out=True,
    ),
    Fault(
        "activations_grow",
        ("activation-growth",),
        (*BLOWN_UP, *STUCK, "output-logit-drift"),
        yes("the outputs of the later layers grow without end"),
        no("normalisation behind them hides it"),
        ("mlp_spirals_adam", "cnn_images_adamw"),
        sets_in=0.3,
        held_out=True,
        prepare=_insert_growth,
        before=_grow,
    ),
    Fault(
        "attention_collapses",
        ("attention-collapse", "attention-logit-growth"),
        (*BLOWN_UP, *STUCK),
        yes("attention logits jump and the entropy falls to nearly nothing"),
        no("the loss moves little where the last token tells most of the next one"),
        ("gpt_grammar", "gpt_constant", "vit_images"),
        sets_in=0.4,
        before=once(_sharpen_attention),
    ),
    Fault(
        "output_drifts",
        ("output-logit-drift",),
        (),
        yes("the log of the sum of the exponentials of the output drifts away"),
        NOTHING_SHOWS,
        ("cnn_images_adamw", "gpt_constant"),
        sets_in=0.2,
        held_out=True,
        loss=_drift,
    ),
    Fault(
        "part_detached",
        ("parameters-not-updated",),
        ("vanishing-gradients",),
        yes("all layers but the last get no gradient"),
        NOTHING_SHOWS,
        ("mlp_spirals_adam", "cnn_images_sgd"),
        prepare=_detach,
    ),
    Fault(
        "equal_weights",
        ("symmetric-initialisation", "poor-initialisation"),
        STUCK,
        yes("all units of a layer are alike, and stay so"),
        no("where a wide layer acts as one unit the loss still falls a part of the way"),
        ("mlp_spirals_adam", "mlp_deep_tanh", "residual_teacher"),
        prepare=_same_weights,
    ),
    Fault(
        "weights_start_too_large",
        ("poor-initialisation",),
        (*BLOWN_UP, *STUCK, "saturated-activations", "dead-units", "activation-growth"),
        yes("outputs grow from layer to layer at the first step, and the first loss is far above chance"),
        symptom("the first loss is far above the one of a uniform guess, as far as that is known"),
        ("mlp_spirals_adam", "gpt_constant", "vit_images"),
        held_out=True,
        prepare=lambda training: _scale_weights(training, 12.0),
    ),
    Fault(
        "trained_in_evaluation_mode",
        ("training-in-eval-mode",),
        (),
        yes("the modules ran in evaluation mode while updates were made"),
        NOTHING_SHOWS,
        ("cnn_images_adamw", "cnn_images_sgd"),
        wire=_evaluate,
    ),
    Fault(
        "module_not_a_number",
        ("non-finite-loss",),
        ("non-finite-gradients",),
        yes("the loss is NaN, and one module made it of finite input"),
        yes("the loss is NaN"),
        ("mlp_deep_tanh", "cnn_images_adamw", "residual_teacher"),
        sets_in=0.5,
        before=once(_break_module),
    ),
    Fault(
        "capacity_too_small",
        ("capacity-limit", "underfitting"),
        ("plateau", "underfitting"),
        symptom("training and validation loss stand still together; that more units would help only a trial shows"),
        no("it looks converged"),
        ("mlp_spirals_adam", "cnn_images_adamw"),
        settings=lambda settings: replace(
            settings, network_options={"width": 3} if settings.network == "mlp" else {"channels": 1}
        ),
        # A log alone does not tell it from a noise floor, so its finding never is more than a note.
        is_note=True,
    ),
)
