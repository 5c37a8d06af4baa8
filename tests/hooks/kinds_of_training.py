"""Trainings of every kind that people write, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tests.hooks.kinds_of_loop import (
    accumulation,
    averaged_and_copied,
    bfloat16_autocast,
    by_norm,
    by_the_watcher,
    by_value,
    clipped,
    functional_transforms,
    groups_and_schedule,
    muon,
    optimizers_in_backward,
    scaled,
    two_players,
    unfrozen_later,
    with_closure,
    with_optimizer,
)
from tests.hooks.kinds_of_model import (
    adapters,
    bfloat16_weights,
    odd_modules,
    parametrised_weights,
    sparse_gradients,
    tied_weights,
)
from tests.hooks.small_training import Training

KINDS: dict[str, Callable[[], Training]] = {
    "sgd": with_optimizer(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    "sgd, one tensor after the other": with_optimizer(torch.optim.SGD, lr=0.05, foreach=False),
    "sgd, all tensors at once": with_optimizer(torch.optim.SGD, lr=0.05, foreach=True),
    "sgd, fused": with_optimizer(torch.optim.SGD, lr=0.05, fused=True),
    "adam": with_optimizer(torch.optim.Adam, lr=1e-2, amsgrad=True),
    "adam, all tensors at once": with_optimizer(torch.optim.Adam, lr=1e-2, foreach=True),
    "adamw, fused": with_optimizer(torch.optim.AdamW, lr=1e-2, fused=True),
    "adafactor": with_optimizer(torch.optim.Adafactor, lr=1e-2),
    "rmsprop": with_optimizer(torch.optim.RMSprop, lr=1e-3),
    "muon": muon,
    "lbfgs": with_closure(torch.optim.LBFGS, lr=0.01, max_iter=4),
    "adam with a closure": with_closure(torch.optim.Adam, lr=1e-2),
    "groups, a schedule, a rate that is a tensor": groups_and_schedule,
    "accumulated gradients": accumulation,
    "clipped by the watcher": clipped(by_the_watcher),
    "clipped by norm": clipped(by_norm),
    "clipped by value": clipped(by_value),
    "scaled": scaled(torch.optim.SGD, lr=0.05),
    "scaled, unscaled and clipped": scaled(torch.optim.AdamW, unscale=True, lr=1e-2),
    "scaled and fused": scaled(torch.optim.Adam, lr=1e-2, fused=True),
    "bfloat16 autocast": bfloat16_autocast,
    "bfloat16 weights": bfloat16_weights,
    "sparse gradients": sparse_gradients,
    "tied weights": tied_weights,
    "shared modules, tuples and dictionaries": odd_modules(),
    "checkpoints, reentrant": odd_modules(reentrant=True),
    "checkpoints, not reentrant": odd_modules(reentrant=False),
    "optimizers in the backward pass": optimizers_in_backward,
    "two players": two_players,
    "functional transforms": functional_transforms,
    "unfrozen later": unfrozen_later,
    "adapters": adapters,
    "parametrised weights": parametrised_weights,
    "averages, copies and saved files": averaged_and_copied,
}
