"""The cosine of successive gradients is that of the whole vectors."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from tests.hooks.training import batches, network, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch


def flat_gradient(model):
    return torch.cat([each.grad.double().flatten() for each in model.parameters() if each.grad is not None])


def cosines(folder, model, *, every, steps=9, clip=None, zero_first=False, scale=1.0, **settings):
    """What is recorded, and the cosine of each pair of successive gradients computed from all elements."""
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    gradients = []
    with watching(model, optimizer, folder, every=every, signals=["gradient_cosine"], **settings) as vitals:
        for x, y in batches(steps):
            if zero_first:
                optimizer.zero_grad(set_to_none=False)
            (scale * nn.functional.cross_entropy(model(x), y)).backward()
            gradients.append(flat_gradient(model))
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if not zero_first:
                optimizer.zero_grad()
            vitals.log(loss=1.0)
    expected = {
        step: torch.nn.functional.cosine_similarity(one, other, dim=0).item()
        for step, (one, other) in enumerate(itertools.pairwise(gradients), 1)
        if step % every == 0
    }
    return recorded(folder).get("train/grad_cosine", {}), expected


@pytest.mark.parametrize("zero_first", [False, True])
@pytest.mark.parametrize("every", [1, 4])
def test_it_is_exact_where_every_element_is_in_the_sample(tmp_path, every, zero_first):
    found, expected = cosines(tmp_path, network(width=20), every=every, zero_first=zero_first)
    assert len(expected) >= 2
    assert found == pytest.approx(expected, abs=1e-5)


def test_it_is_close_where_tensors_are_sampled(tmp_path):
    found, expected = cosines(tmp_path, network(width=300), every=2)
    assert found == pytest.approx(expected, abs=0.15)
    assert found != pytest.approx(expected, abs=1e-6)


def test_clipping_does_not_change_it(tmp_path):
    found, expected = cosines(tmp_path, network(width=20), every=1, clip=1e-3)
    assert found == pytest.approx(expected, abs=1e-5)


def test_opposite_gradients_have_minus_one(tmp_path):
    model = nn.Linear(4, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, tmp_path, every=1, signals=["gradient_cosine"]) as vitals:
        for sign in (1, -1, -1, 1):
            (sign * model(torch.ones(1, 4))).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    assert recorded(tmp_path)["train/grad_cosine"] == pytest.approx({1: -1, 2: 1, 3: -1})


def test_a_gradient_that_is_zero_or_not_finite_has_no_direction(tmp_path):
    for number, scale in enumerate([0.0, math.nan, math.inf]):
        assert cosines(tmp_path / str(number), network(), every=1, scale=scale)[0] == {}


def test_two_optimizers_have_none(tmp_path):
    model = network()
    halves = [torch.optim.SGD(model[:3].parameters(), 0.1), torch.optim.SGD(model[3:].parameters(), 0.1)]
    with watching(model, halves, tmp_path, every=1, signals=["gradient_cosine"]) as vitals:
        for x, y in batches(4):
            nn.functional.cross_entropy(model(x), y).backward()
            for optimizer in halves:
                optimizer.step()
                optimizer.zero_grad()
            vitals.log(loss=1.0)
    assert "train/grad_cosine" not in recorded(tmp_path)


def test_layers_that_are_unfrozen_later_are_taken_in(tmp_path):
    model = network(width=20)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    model[0].requires_grad_(False)
    gradients = []
    with watching(model, optimizer, tmp_path, every=1, signals=["gradient_cosine"]) as vitals:
        for step, (x, y) in enumerate(batches(6)):
            model[0].requires_grad_(step >= 3)
            nn.functional.cross_entropy(model(x), y).backward()
            gradients.append(flat_gradient(model))
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    found = recorded(tmp_path)["train/grad_cosine"]
    expected = nn.functional.cosine_similarity(gradients[4], gradients[5], dim=0).item()
    assert found[5] == pytest.approx(expected, abs=1e-5)
