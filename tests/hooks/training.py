"""Small trainings to watch, and what was recorded of them."""

from __future__ import annotations

import json
import math

import torch
from torch import nn

from trainvitals import read_run
from trainvitals_hooks import watch

FEATURES, CLASSES, BATCH = 12, 3, 16


def network(*, dropout=0.1, width=40):
    """Large enough that some weights are sampled: 40 x 40 elements are more than a sample has."""
    return nn.Sequential(
        nn.Linear(FEATURES, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.Tanh(),
        nn.Linear(width, CLASSES),
    )


def batches(count, *, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        x = torch.randn(BATCH, FEATURES, generator=generator)
        yield x, torch.randint(CLASSES, (BATCH,), generator=generator)


def plain_steps(model, optimizer, vitals, count):
    """The loop of the README; gives the losses."""
    losses = []
    for x, y in batches(count):
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if vitals is not None:
            vitals.log(loss=loss)
        losses.append(loss.item())
    return losses


def watching(model, optimizer, folder, **settings):
    """As ``watch``, with a budget that never changes ``every``: what a test expects does not depend on the machine.

    Without a live diagnosis, which costs a process a test.
    """
    return watch(model, optimizer, folder, **{"budget": math.inf, "live": False, **settings})


def recorded(folder):
    """Every tag with its values by step."""
    run = read_run(folder)
    return {
        tag: dict(zip(series.step.tolist(), series.value.tolist(), strict=True)) for tag, series in run.series.items()
    }


def markers(folder, kind):
    """Every marker of this kind: step and details, in the order of the file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    tag = f"event/{kind}"
    if tag not in accumulator.Tags()["tensors"]:
        return []
    return [(event.step, json.loads(event.tensor_proto.string_val[0])) for event in accumulator.Tensors(tag)]
