"""The similarity of units against cosines taken one pair after the other."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from tests.hooks.training import FEATURES, network, plain_steps, recorded, watching
from torch import nn

from trainvitals_hooks.looking.rotation import AT_ONCE
from trainvitals_hooks.probes.unit_similarity import INPUTS, UNITS

pytestmark = pytest.mark.torch


def mean_cosine(weight):
    """Over all pairs of rows of ``[units, ...]``."""
    rows = weight.detach().double().flatten(1).tolist()
    lengths = [math.sqrt(sum(value**2 for value in row)) for row in rows]
    cosines = [
        abs(sum(a * b for a, b in zip(rows[i], rows[j], strict=True))) / (lengths[i] * lengths[j] or math.inf)
        for i, j in itertools.combinations(range(len(rows)), 2)
    ]
    return sum(cosines) / len(cosines)


def similarities(model, folder, *, steps=1, every=1):
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, folder, every=every, signals=["unit_similarity"]) as vitals:
        for _ in range(steps):
            optimizer.step()
            vitals.log(loss=1.0)
    kind = "unit_similarity/"
    return {tag.removeprefix(kind): values for tag, values in recorded(folder).items() if tag.startswith(kind)}


def test_small_layers_are_compared_exactly(tmp_path):
    model = nn.Sequential(nn.Linear(5, 9), nn.Conv2d(3, 7, 3), nn.Linear(9, 5).bfloat16(), nn.Linear(5, 9))
    found = similarities(model, tmp_path)
    assert set(found) == {"0", "1", "2", "3"}
    for name, values in found.items():
        assert values[0] == pytest.approx(mean_cosine(model[int(name)].weight), rel=1e-4)


@pytest.mark.parametrize("make", [lambda: nn.Linear(3 * INPUTS, 3 * UNITS), lambda: nn.Conv2d(64, 3 * UNITS, 4)])
def test_a_sample_of_a_large_layer_comes_close(tmp_path, make):
    layer = make()
    with torch.no_grad():
        layer.weight += layer.weight.std() * torch.randn_like(layer.weight[:1])
    # The cosines are about 0.5; two standard errors of 0.06, because what the units share is sampled once for all.
    assert similarities(layer, tmp_path)[type(layer).__name__][0] == pytest.approx(
        mean_cosine(layer.weight[::2]), abs=0.12
    )


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e12])
def test_units_that_are_alike_but_for_size_and_sign_have_one(tmp_path, scale):
    layer = nn.Linear(6, 8)
    with torch.no_grad():
        layer.weight[:] = scale * torch.randn(6) * torch.linspace(-2, 2, 8)[:, None]
    assert similarities(layer, tmp_path)["Linear"][0] == pytest.approx(1, abs=1e-5)


def test_independent_units_have_what_chance_gives(tmp_path):
    layer = nn.Linear(200, 32)
    nn.init.normal_(layer.weight)
    assert similarities(layer, tmp_path)["Linear"][0] == pytest.approx(math.sqrt(2 / (math.pi * 200)), rel=0.1)


def test_units_without_any_weight_are_like_no_other(tmp_path):
    layer = nn.Linear(6, 4)
    with torch.no_grad():
        layer.weight[:2] = torch.randn(6)
        layer.weight[2:] = 0
    assert similarities(layer, tmp_path)["Linear"][0] == pytest.approx(1 / 6, abs=1e-5)


def test_what_has_no_units_to_compare_is_left_out(tmp_path):
    model = nn.ModuleDict(
        {
            "one_input": nn.Linear(1, 8),
            "one_unit": nn.Linear(8, 1),
            "depthwise": nn.Conv2d(8, 8, 3, groups=8),
            "transposed": nn.ConvTranspose2d(8, 8, 3),
            "embedding": nn.Embedding(8, 8),
            "norm": nn.LayerNorm(8),
            "frozen": nn.Linear(8, 8).requires_grad_(False),
            "seen": nn.Linear(8, 8),
        }
    )
    found = similarities(model, tmp_path, steps=4)
    assert set(found) == {"seen"}


def test_the_joint_projection_of_attention_is_seen(tmp_path):
    model = nn.MultiheadAttention(6, 2)
    found = similarities(model, tmp_path)
    assert found["MultiheadAttention"][0] == pytest.approx(mean_cosine(model.in_proj_weight), rel=1e-4)
    assert found["out_proj"][0] == pytest.approx(mean_cosine(model.out_proj.weight), rel=1e-4)


def test_layers_take_turns(tmp_path):
    count = AT_ONCE + 1
    found = similarities(nn.Sequential(*(nn.Linear(4, 4) for _ in range(count))), tmp_path, steps=4)
    assert sorted(tuple(values) for values in found.values()) == [(0, 2)] * 3 + [(1, 3)] * 2


def test_several_optimizers_give_one_value_a_step(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    optimizers = [torch.optim.SGD(layer.parameters(), 0.1) for layer in model]
    with watching(model, optimizers, tmp_path, every=1, signals=["unit_similarity"]) as vitals:
        for _ in range(3):
            for optimizer in optimizers:
                optimizer.step()
            vitals.log(loss=1.0)
    assert sorted(recorded(tmp_path)["unit_similarity/1"]) == [0, 1, 2]


def test_compiled_models_are_seen_under_their_plain_names(tmp_path):
    model = network()
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(compiled, optimizer, tmp_path, every=1, signals=["unit_similarity"]) as vitals:
        plain_steps(compiled, optimizer, vitals, 2)
    found = recorded(tmp_path)
    assert {tag for tag in found if tag.startswith("unit_similarity/")} == {
        f"unit_similarity/{name}" for name in ("0", "3", "6")
    }
    assert model[0].weight.shape == (40, FEATURES)


def test_weights_that_are_computed_from_others_are_not_touched(tmp_path):
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8))
    convolution = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3))
    model = nn.ModuleList([layer, convolution, nn.Linear(3, 3)])
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, tmp_path, signals=["unit_similarity", "effective_rank"]) as vitals:
        optimizer.step()
        vitals.log(loss=1.0)
    assert [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])] == []
    assert {tag for tag in recorded(tmp_path) if tag.startswith("unit_similarity")} == {"unit_similarity/2"}
