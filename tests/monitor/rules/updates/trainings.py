"""Watched trainings by hand: update ratios and norms of a few matrices, a loss, a rate, and what else hooks record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tests.monitor.rules.views import make_view

from trainvitals import tags
from trainvitals.model import Run
from trainvitals.signals import LayerTags, Signals
from trainvitals.view import RunView

STEPS = np.arange(1000)
RECORDS = np.arange(0, 1000, 10)
MATRICES = ("first.weight", "second.weight", "third.weight", "head.weight")
ADAM = {"optimizer": "AdamW", "lr": 1e-3, "weight_decay": 0.01, "eps": 1e-8, "decoupled_weight_decay": True}
SGD = {"optimizer": "SGD", "lr": 0.1, "weight_decay": 1e-4, "momentum": 0.9}


def noisy(level: Any, share: float = 0.02, seed: int = 0) -> np.ndarray[Any, Any]:
    """A loss around a level a step."""
    return np.asarray(level) * (1.0 + share * np.random.default_rng(seed).standard_normal(len(STEPS)))


FALLING = noisy(0.3 + 2.0 * np.exp(-STEPS / 200.0))
STUCK = noisy(np.full(len(STEPS), 2.3))


def training(
    *,
    ratio: Any = 1e-3,
    growth: Any = 1.0,
    gradient: Any = 1.0,
    loss: np.ndarray[Any, Any] = FALLING,
    rate: Any = 1e-3,
    settings: Mapping[str, Any] = ADAM,
    layers: Sequence[str] = MATRICES,
    epsilon_share: Any = None,
    **recorded: Any,
) -> RunView:
    """A training of 1000 steps, recorded every tenth; a signal is a number, one a layer, ``[T]`` or ``[T, L]``."""
    columns: dict[str, Any] = {"train/loss": (STEPS, loss), "learning_rate/group0": (RECORDS, _table(rate, 1)[:, 0])}
    per_layer = {}
    kinds = {"update_ratio": ratio, "weight_norm": growth, "grad_norm": gradient, "epsilon_share": epsilon_share}
    for kind, value in kinds.items():
        if value is None:
            continue
        table = _table(value, len(layers))
        per_layer[kind] = LayerTags(kind, tuple(layers), tuple(tags.per_layer(kind, layer) for layer in layers))
        columns |= {tag: (RECORDS, table[:, index]) for index, tag in enumerate(per_layer[kind].tags)}
    columns |= {tag: (RECORDS, _table(value, 1)[:, 0]) for tag, value in recorded.items()}
    norms = tuple(tag for tag in (tags.GRADIENT_NORM, tags.GRADIENT_NORM_BEFORE_CLIPPING) if tag in columns)
    signals = Signals(
        train_loss=("train/loss",), learning_rate=("learning_rate/group0",), grad_norm=norms, per_layer=per_layer
    )
    run = make_view(columns, signals).run
    return RunView(Run(run.id, run.path, run.name, run.format, run.series, hyper_parameters=dict(settings)), signals)


def _table(value: Any, layers: int) -> np.ndarray[Any, Any]:
    array = np.asarray(value, np.float64)
    if array.shape == (len(RECORDS),):
        array = array[:, None]
    return np.broadcast_to(array, (len(RECORDS), layers))
