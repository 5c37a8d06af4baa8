"""Epsilon's share and the gradient over the second moment are what Adam's own equations give."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.training import batches, network, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch


def train(folder, make, *, steps=7, model=None, loss_scale=1.0, **settings):
    """What is recorded every third step, and the same by hand from every gradient since the first step."""
    model = model or network(width=10)
    optimizer = make(model.parameters())
    (_, beta2), epsilon = optimizer.param_groups[0]["betas"], optimizer.param_groups[0]["eps"]
    amsgrad = optimizer.param_groups[0].get("amsgrad", False)
    second, largest, expected = {}, {}, {}
    with watching(model, optimizer, folder, every=3, signals=["adam_state"], **settings) as vitals:
        for step, (x, y) in enumerate(batches(steps)):
            (loss_scale * nn.functional.cross_entropy(model(x), y)).backward()
            for name, parameter in model.named_parameters():
                square = parameter.grad.double() ** 2
                second[name] = beta2 * second.get(name, 0.0) + (1 - beta2) * square
                largest[name] = torch.maximum(largest.get(name, torch.zeros_like(square)), second[name])
                corrected = second[name] / (1 - beta2 ** (step + 1))
                divisor = ((largest if amsgrad else second)[name] / (1 - beta2 ** (step + 1))).sqrt()
                if step % 3 == 0:
                    ratio = (square / corrected.clamp_min(max(epsilon**2, 1e-60))).mean().sqrt()
                    share = (divisor < epsilon).double().mean()
                    expected.setdefault(f"gradient_over_second_moment/{name}", {})[step] = ratio.item()
                    expected.setdefault(f"epsilon_share/{name}", {})[step] = share.item()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    found = recorded(folder)
    return {tag: found[tag] for tag in found if "/" in tag and tag.split("/")[0] in PROBE_KINDS}, expected


PROBE_KINDS = ("epsilon_share", "gradient_over_second_moment")


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, 1e-3),
        lambda p: torch.optim.AdamW(p, 1e-2, betas=(0.8, 0.9), foreach=True),
        lambda p: torch.optim.AdamW(p, 1e-3, fused=True),
        lambda p: torch.optim.Adam(p, 1e-3, amsgrad=True, betas=(0.9, 0.5)),
        lambda p: torch.optim.Adam(p, 1e-3, eps=1e-2),
        lambda p: torch.optim.Adam(p, torch.tensor(1e-3), betas=(torch.tensor(0.9), torch.tensor(0.99))),
        lambda p: torch.optim.NAdam(p, 1e-3),
    ],
)
def test_they_are_what_the_equations_give(tmp_path, make):
    found, expected = train(tmp_path, make)
    assert found.keys() == expected.keys()
    for tag, values in expected.items():
        assert found[tag] == pytest.approx(values, rel=1e-3, abs=1e-6), tag


def test_epsilon_is_all_of_the_divisor_where_gradients_are_tiny(tmp_path):
    found, expected = train(tmp_path, lambda p: torch.optim.Adam(p, 1e-3), loss_scale=1e-12)
    shares = {tag: values for tag, values in found.items() if tag.startswith("epsilon_share/")}
    assert shares == {tag: dict.fromkeys((0, 3, 6), 1.0) for tag in shares}
    assert all(math.isfinite(value) for values in found.values() for value in values.values())
    assert found.keys() == expected.keys()


def test_a_sample_stands_for_a_large_parameter(tmp_path):
    found, expected = train(tmp_path, lambda p: torch.optim.Adam(p, 1e-3, eps=3e-3), model=network(width=100))
    for step in (3, 6):
        share, ratio = (found[f"{kind}/3.weight"][step] for kind in PROBE_KINDS)
        assert share == pytest.approx(expected["epsilon_share/3.weight"][step], abs=0.15)
        assert ratio == pytest.approx(expected["gradient_over_second_moment/3.weight"][step], rel=0.25)


def test_optimizers_without_moments_have_nothing(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    with watching(model, optimizer, tmp_path, every=1, signals=["adam_state"]) as vitals:
        for x, y in batches(3):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            vitals.log(loss=1.0)
    assert not any(tag.startswith(PROBE_KINDS) for tag in recorded(tmp_path))


def test_parameters_without_a_gradient_or_of_other_layers_have_none(tmp_path):
    model = network(width=10)
    model[0].requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with watching(model, optimizer, tmp_path, every=1, signals=["adam_state"], layers=["weight"]) as vitals:
        for x, y in batches(3):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            vitals.log(loss=1.0)
    layers = {tag.split("/")[1] for tag in recorded(tmp_path) if tag.startswith(PROBE_KINDS)}
    assert layers == {"3.weight", "4.weight", "6.weight"}
