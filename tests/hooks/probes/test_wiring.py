"""What is wired wrongly is counted and named, and what only looks like it is not."""

from __future__ import annotations

import pytest
import torch
from tests.hooks.training import batches, markers, network, plain_steps, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch


def sgd(parameters):
    return torch.optim.SGD(parameters, 0.1)


def test_a_sound_training_has_zeros_and_no_marker(tmp_path):
    model = network()
    optimizer = sgd(model.parameters())
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        plain_steps(model, optimizer, vitals, 5)
    found = recorded(tmp_path)
    for tag in ("unowned_parameters", "no_gradient", "eval_mode_fraction", "model_in_eval_mode"):
        assert found[f"wiring/{tag}"] == {0: 0, 2: 0, 4: 0}
    assert markers(tmp_path, "wiring") == []


def test_trainable_parameters_without_an_optimizer_are_named_until_they_get_one(tmp_path):
    model = network()
    model[3].weight.requires_grad_(False)
    optimizer = sgd(model[6].parameters())
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 2)
        optimizer.add_param_group({"params": list(model[0].parameters())})
        plain_steps(model, optimizer, vitals, 2)
        model[3].requires_grad_(False)
        model[4].requires_grad_(False)
        plain_steps(model, optimizer, vitals, 1)
    names = ["0.weight", "0.bias", "3.bias", "4.weight", "4.bias"]
    assert recorded(tmp_path)["wiring/unowned_parameters"] == {0: 5, 1: 5, 2: 3, 3: 3, 4: 0}
    assert markers(tmp_path, "wiring") == [
        (0, {"what": "unowned", "count": 5, "names": names}),
        (2, {"what": "unowned", "count": 3, "names": names[2:]}),
        (4, {"what": "unowned", "count": 0, "names": []}),
    ]


def test_a_part_that_the_loss_does_not_reach_has_no_gradient(tmp_path):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.below, self.above = nn.Linear(12, 8), nn.Linear(8, 3)
            self.frozen = nn.Linear(2, 2).requires_grad_(False)

        def forward(self, x):
            return self.above(self.below(x).detach())

    model = Cut()
    optimizer = sgd(model.parameters())
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 2)
    assert recorded(tmp_path)["wiring/no_gradient"] == {0: 2, 1: 2}
    assert markers(tmp_path, "wiring") == [
        (0, {"what": "no_gradient", "count": 2, "names": ["below.weight", "below.bias"]})
    ]


def test_many_names_are_cut_short_and_a_set_that_never_rests_is_marked_a_few_times_only(tmp_path):
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(12, 3) for _ in range(16))
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.experts[self.calls % 16](x)

    model = Experts()
    optimizer = sgd(model.parameters())
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 40)
    found = markers(tmp_path, "wiring")
    assert len(found) == 20
    assert {details["count"] for _, details in found} == {30}
    assert {len(details["names"]) for _, details in found} == {20}
    assert set(recorded(tmp_path)["wiring/no_gradient"].values()) == {30}


def test_each_of_several_optimizers_has_its_own_count(tmp_path):
    model = nn.ModuleDict({"used": nn.Linear(12, 3), "unused": nn.Linear(4, 4)})
    optimizers = [sgd(model["used"].parameters()), sgd(model["unused"].parameters())]
    with watching(model, optimizers, tmp_path, every=1):
        for x, _ in batches(2):
            model["used"](x).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    found = recorded(tmp_path)
    assert found["wiring/optimizer0/no_gradient"] == {0: 0, 1: 0}
    assert found["wiring/optimizer1/no_gradient"] == {0: 2, 1: 2}
    assert [details["what"] for _, details in markers(tmp_path, "wiring")] == ["optimizer1/no_gradient"]


def test_a_whole_model_left_in_evaluation_mode_differs_from_frozen_statistics(tmp_path):
    model = network()
    optimizer = sgd(model.parameters())
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        model[4].eval()
        plain_steps(model, optimizer, vitals, 1)
        model.eval()
        plain_steps(model, optimizer, vitals, 1)
        model.train()
        plain_steps(model, optimizer, vitals, 1)
    found = recorded(tmp_path)
    assert found["wiring/eval_mode_fraction"] == {0: 0.5, 1: 1.0, 2: 0.0}
    assert found["wiring/model_in_eval_mode"] == {0: 0.0, 1: 1.0, 2: 0.0}
    assert [(step, details["names"]) for step, details in markers(tmp_path, "wiring")] == [
        (0, ["4"]),
        (1, ["2", "4"]),
        (2, []),
    ]


def test_a_model_without_modes_has_no_share_and_a_dropout_of_nothing_is_none(tmp_path):
    model = nn.Sequential(nn.Linear(12, 3), nn.Dropout(0.0), nn.LayerNorm(3))
    optimizer = sgd(model.parameters())
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 1)
    found = recorded(tmp_path)
    assert "wiring/eval_mode_fraction" not in found
    assert found["wiring/model_in_eval_mode"] == {0: 0.0}
