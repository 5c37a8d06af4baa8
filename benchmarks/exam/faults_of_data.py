"""Faults of the data, the validation, and of the machine that feeds them."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from benchmarks.exam.data import DATA
from benchmarks.exam.fault import Fault, no, symptom, yes
from benchmarks.exam.faults_of_optimisation import BLOWN_UP, STUCK
from benchmarks.exam.training import Training
from torch import Generator, Tensor


def _spoilt_input(training: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if training.step != training.onset:
        return x, y
    x = x.clone()
    x[0] = float("nan")
    return x, y


def _now_and_then_spoilt(training: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if torch.rand((), generator=training.generator) > 0.01:
        return x, y
    return 25 * x, y[torch.randperm(len(y), generator=training.generator)]


def _shuffled_targets(training: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    flat = y.flatten() if y.dtype == torch.long else y
    return x, flat[torch.randperm(len(flat), generator=training.generator)].reshape(y.shape)


def _first_batches_only(training: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if len(training.memory) < 4:
        training.memory.append((x, y))
    return training.memory[training.step % len(training.memory)]


def _sort_by_class(training: Training) -> None:
    x, y = training.data.examples
    order = torch.argsort(y, stable=True)
    training.data.examples, training.data.shuffled = (x[order], y[order]), False


def _small_set(count: int):
    return lambda settings: replace(settings, examples=count, weight_decay=0.0, schedule="constant")


def _leak(training: Training) -> None:
    training.data.validation = tuple(part[:1000] for part in training.data.examples)
    training.suites[""] = training.data.validation


def _shift_validation(training: Training) -> None:
    x, y = training.data.validation
    training.suites[""] = (2.5 * x + 1.0, y)


def _second_suite(training: Training) -> None:
    """The task trained on before, as a suite of its own."""
    neighbour = DATA[training.settings.data](Generator().manual_seed(99), **training.settings.data_options)
    training.suites["before"] = neighbour.validation


def _put_softmax_in(training: Training) -> None:
    training.network.append(torch.nn.Softmax(-1))


def _far_inputs(_: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return 40 * x + 300, y


def _slow_loader(_: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    time.sleep(0.008)
    return x, y


def _sometimes_slow(training: Training, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if torch.rand((), generator=training.generator) < 0.03:
        time.sleep(0.15)
    return x, y


def _hoard(training: Training) -> None:
    training.memory.append(torch.ones(40_000))


FAULTS = (
    Fault(
        "input_not_a_number",
        ("non-finite-loss",),
        ("non-finite-gradients",),
        yes("the loss is NaN, and the input was"),
        yes("the loss is NaN"),
        ("mlp_teacher_sgd", "cnn_images_sgd", "gru_recall"),
        sets_in=0.55,
        batch=_spoilt_input,
    ),
    Fault(
        "bad_batches",
        ("bad-batches", "loss-spikes"),
        ("loss-spikes",),
        yes("the loss of every step is kept, and single steps stick out and come back"),
        no("of one bad step in a hundred, one in ten is logged"),
        ("mlp_spirals_adam", "cnn_images_adamw", "residual_teacher"),
        sets_in=0.15,
        batch=_now_and_then_spoilt,
    ),
    Fault(
        "targets_without_signal",
        ("labels-without-signal", "label-noise-floor"),
        STUCK,
        yes("gradients and updates are normal, and the loss stays at that of a constant guess"),
        symptom("the loss stays at that of a constant guess"),
        ("cnn_images_adamw", "gru_recall", "gpt_grammar"),
        batch=_shuffled_targets,
    ),
    Fault(
        "targets_lose_signal",
        ("labels-without-signal", "bad-batches", "label-noise-floor", "diverging-loss"),
        (*STUCK, *BLOWN_UP),
        symptom("the loss jumps back to that of a constant guess and stays there"),
        symptom("the loss jumps back to that of a constant guess and stays there"),
        ("mlp_spirals_adam", "gpt_constant", "convolutions_recall"),
        sets_in=0.5,
        held_out=True,
        batch=_shuffled_targets,
    ),
    Fault(
        "same_batches_again",
        ("repeated-data", "overfitting"),
        ("overfitting",),
        yes("the checksums of the batches come again and again"),
        symptom("training loss falls to nothing while the validation loss rises"),
        ("cnn_images_adamw", "residual_teacher", "mlp_spirals_adam"),
        batch=_first_batches_only,
        held_out=True,
    ),
    Fault(
        "sorted_by_class",
        ("unshuffled-data", "periodic-loss", "repeated-data"),
        ("periodic-loss", "loss-spikes", "oscillating-loss", "not-learning"),
        yes("the loss of every step swings with the epoch"),
        symptom("the loss swings with the epoch"),
        ("mlp_spirals_adam", "cnn_images_sgd"),
        prepare=_sort_by_class,
    ),
    Fault(
        "overfits_small_set",
        ("overfitting", "limited-diversity"),
        ("overfitting",),
        yes("the validation loss rises while the training loss falls"),
        yes("the validation loss rises while the training loss falls"),
        ("cnn_images_sgd", "mlp_spirals_adam", "vit_images"),
        settings=lambda settings: replace(_small_set(120)(settings), data_options={"flipped": 0.25}),
    ),
    Fault(
        "validation_leaks",
        ("validation-leakage",),
        (),
        no("validation equal to training loss is what a healthy training without a gap shows"),
        no("validation equal to training loss is what a healthy training without a gap shows"),
        ("cnn_images_sgd", "mlp_spirals_adam"),
        prepare=_leak,
    ),
    Fault(
        "validation_shifted",
        ("validation-shift",),
        ("overfitting",),
        symptom("the validation loss is far above the training loss from the start, and does not follow it"),
        symptom("the validation loss is far above the training loss from the start, and does not follow it"),
        ("cnn_images_adamw", "mlp_teacher_sgd"),
        held_out=True,
        prepare=_shift_validation,
    ),
    Fault(
        "forgets",
        ("forgetting",),
        ("overfitting",),
        yes("the loss of the suite trained on before rises while the other falls"),
        yes("the loss of the suite trained on before rises while the other falls"),
        ("gpt_constant", "mlp_teacher_sgd"),
        settings=lambda settings: replace(settings, pretrained_steps=600),
        prepare=_second_suite,
    ),
    Fault(
        "softmax_before_loss",
        ("wrong-loss-input",),
        STUCK,
        yes("the rows of the output add up to one"),
        no("the loss stays above a floor that only who knows the task knows"),
        ("mlp_spirals_adam", "cnn_images_adamw"),
        prepare=_put_softmax_in,
    ),
    Fault(
        "inputs_not_normalised",
        ("unnormalised-inputs", "saturated-activations", "dead-units", "poor-initialisation"),
        (*STUCK, *BLOWN_UP),
        yes("the mean of the input is far from zero in units of its spread"),
        symptom("the first losses are huge"),
        ("mlp_teacher_sgd", "mlp_deep_tanh", "residual_teacher"),
        batch=_far_inputs,
        held_out=True,
    ),
    Fault(
        "label_noise",
        ("label-noise-floor",),
        ("plateau",),
        symptom("the loss stands still well above zero; that the labels are wrong only looking at them shows"),
        no("it looks converged"),
        ("mlp_spirals_adam", "cnn_images_adamw"),
        settings=lambda settings: replace(settings, data_options={"flipped": 0.5}, examples=None, steps=2000),
        is_note=True,
        held_out=True,
    ),
    Fault(
        "waits_for_data",
        ("input-bound",),
        (),
        yes("most of the time passes before the forward pass"),
        no("times are not in the log"),
        ("mlp_teacher_sgd", "cnn_images_adamw"),
        batch=_slow_loader,
    ),
    Fault(
        "slows_down",
        ("throughput-drop", "input-bound"),
        ("input-bound",),
        yes("the steps take several times as long from there on"),
        no("times are not in the log"),
        ("mlp_spirals_adam", "residual_teacher"),
        sets_in=0.45,
        held_out=True,
        batch=_slow_loader,
    ),
    Fault(
        "stalls_now_and_then",
        ("step-time-outliers", "input-bound"),
        (),
        yes("single steps take fifty times as long"),
        no("times are not in the log"),
        ("mlp_spirals_adam", "cnn_images_adamw"),
        held_out=True,
        batch=_sometimes_slow,
    ),
    Fault(
        "memory_grows",
        ("memory-growth",),
        (),
        yes("the memory of the process grows with every step"),
        no("memory is not in the log"),
        ("mlp_spirals_adam", "gpt_constant"),
        before=_hoard,
    ),
)
