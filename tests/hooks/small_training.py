"""A small training: the model, its optimizers and what one turn of the loop does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tests.hooks.training import batches
from torch import nn
from torch.nn.functional import cross_entropy

TURNS = 200
WIDTH = 25
"""So narrow that no parameter has more elements than a sample: every recorded number is exact."""


@dataclass
class Training:
    """What is trained.

    Args:
        turn: given inputs, labels, the number of the turn and the watcher or None; gives the loss.
    """

    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    turn: Callable[[torch.Tensor, torch.Tensor, int, Any], torch.Tensor]


def run(training, vitals, turns=TURNS):
    """The whole training; the loss is logged each turn."""
    losses = []
    for number, (x, y) in enumerate(batches(turns)):
        loss = training.turn(x, y, number, vitals)
        if vitals is not None:
            vitals.log(loss=loss)
        losses.append(loss.item())
    return losses


def plain(model, *optimizers, loss_of=cross_entropy):
    """The usual turn: forward, backward, step, zero."""

    def turn(x, y, number, vitals):
        loss = loss_of(model(x), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Training(model, list(optimizers), turn)


def norm(tensor):
    """The slow and obvious one."""
    dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
    return math.sqrt(sum(value * value for value in dense.double().flatten().tolist()))
