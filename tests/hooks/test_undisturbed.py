"""A watched training is bit for bit the one that nobody watches."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.hooks.training import batches, network, watching
from torch import nn

pytestmark = pytest.mark.torch

STEPS = 200


def plain(model, optimizer, vitals, x, y, number):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss


def clipped(model, optimizer, vitals, x, y, number):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    clip = torch.nn.utils.clip_grad_norm_ if vitals is None else vitals.clip_grad_norm_
    clip(model.parameters(), 0.05)
    optimizer.step()
    optimizer.zero_grad()
    return loss


def accumulated(model, optimizer, vitals, x, y, number):
    loss = nn.functional.cross_entropy(model(x), y) / 4
    loss.backward()
    if number % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()
    return loss


def with_closure(model, optimizer, vitals, x, y, number):
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return optimizer.step(closure)


def scaled(model, optimizer, vitals, x, y, number, scaler=None):
    scaler = optimizer.__dict__.setdefault("scaler_of_test", torch.amp.GradScaler("cpu", init_scale=2.0**40))
    loss = nn.functional.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    return loss


def sgd(model):
    return torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)


def adamw(model):
    return torch.optim.AdamW(model.parameters(), 1e-2)


def fused_adam(model):
    return torch.optim.Adam(model.parameters(), 1e-2, fused=True)


def lbfgs(model):
    return torch.optim.LBFGS(model.parameters(), 0.01, max_iter=4)


def adafactor(model):
    return torch.optim.Adafactor(model.parameters(), 1e-2)


def weights_after(make_optimizer, step, folder, **settings):
    torch.manual_seed(3)
    model = network(dropout=0.3)
    optimizer = make_optimizer(model)
    vitals = None if folder is None else watching(model, optimizer, folder, **settings)
    for number, (x, y) in enumerate(batches(STEPS)):
        loss = step(model, optimizer, vitals, x, y, number)
        if vitals is not None:
            vitals.log(loss=loss)
    if vitals is not None:
        vitals.close()
    return copy.deepcopy(model.state_dict()), torch.get_rng_state()


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize(
    ("make_optimizer", "step"),
    [
        (sgd, plain),
        (adamw, plain),
        (adafactor, plain),
        (adamw, clipped),
        (sgd, accumulated),
        (adamw, with_closure),
        (lbfgs, with_closure),
        (sgd, scaled),
        (fused_adam, scaled),
    ],
)
def test_weights_and_random_numbers_are_those_of_an_unwatched_training(tmp_path, make_optimizer, step, every):
    alone, random_alone = weights_after(make_optimizer, step, None)
    watched, random_watched = weights_after(make_optimizer, step, tmp_path, every=every)
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    assert torch.equal(random_alone, random_watched)
