"""A parameter that gets a gradient and never moves is found and named; one that has a reason to stand still is not."""

from __future__ import annotations

import pytest
import torch
from tests.hooks.training import batches, markers, network, plain_steps, recorded, watching
from torch import nn

pytestmark = pytest.mark.torch

TAG = "wiring/not_moved"


class Undone(torch.optim.Optimizer):
    """Plain descent that leaves some of its parameters where they are, as a wrong mask would."""

    def __init__(self, parameters, rate, undone, *, except_every=0):
        super().__init__(parameters, {"lr": rate})
        self.undone = undone
        self.except_every = except_every
        self.calls = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.calls += 1
        undone = [] if self.except_every and self.calls % self.except_every == 0 else self.undone
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and not any(parameter is each for each in undone):
                    parameter.add_(parameter.grad, alpha=-group["lr"])


def test_the_parameters_that_stand_still_are_counted_and_named(tmp_path):
    model = network()
    optimizer = Undone(model.parameters(), 0.1, [model[3].weight, model[6].bias])
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        plain_steps(model, optimizer, vitals, 10)
    # The first record only raises the suspicion, the second has nothing to compare with yet.
    assert recorded(tmp_path)[TAG] == {2: 0, 4: 2, 6: 2, 8: 2}
    assert markers(tmp_path, "wiring") == [(6, {"what": "not_moved", "count": 2, "names": ["3.weight", "6.bias"]})]


def test_what_moves_again_is_no_longer_told(tmp_path):
    model = network()
    optimizer = Undone(model.parameters(), 0.1, [model[3].weight])
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 5)
        optimizer.undone = []
        plain_steps(model, optimizer, vitals, 3)
    found = recorded(tmp_path)[TAG]
    assert {step: found[step] for step in (4, 5, 6, 7)} == {4: 1, 5: 0, 6: 0, 7: 0}
    assert [details["count"] for _, details in markers(tmp_path, "wiring")] == [1, 0]


def test_a_sound_training_has_zeros(tmp_path):
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    with watching(model, optimizer, tmp_path, every=2) as vitals:
        plain_steps(model, optimizer, vitals, 9)
    assert recorded(tmp_path)[TAG] == {0: 0, 2: 0, 4: 0, 6: 0, 8: 0}


@pytest.mark.parametrize("tensor_rate", [False, True])
def test_a_rate_of_zero_is_a_schedule_and_no_fault(tmp_path, tensor_rate):
    model = network()
    rate = torch.tensor(0.0) if tensor_rate else 0.0
    groups = [{"params": model[:4].parameters(), "lr": rate}, {"params": model[4:].parameters()}]
    optimizer = torch.optim.SGD(groups, 0.1)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        plain_steps(model, optimizer, vitals, 6)
    found = recorded(tmp_path)[TAG]
    assert set(found.values()) == {0}
    assert max(found) == 5


def test_an_optimizer_that_moves_its_parameters_every_fourth_step_only_is_sound(tmp_path):
    model = network()
    optimizer = Undone(model.parameters(), 0.1, list(model.parameters()), except_every=4)
    with watching(model, optimizer, tmp_path, every=4) as vitals:
        plain_steps(model, optimizer, vitals, 17)
    found = recorded(tmp_path)
    assert set(found["update_ratio/3.weight"].values()) == {0}
    assert set(found[TAG].values()) == {0}


def test_rows_of_an_embedding_that_no_batch_uses_may_stand_still(tmp_path):
    model = nn.Embedding(4000, 8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1):
        for _ in range(5):
            model(torch.tensor([1, 2])).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    found = recorded(tmp_path)
    assert set(found["update_ratio/weight"].values()) == {0}
    assert set(found[TAG].values()) == {0}


def test_sparse_gradients_and_those_of_another_layout_are_not_judged(tmp_path):
    model = nn.ModuleDict({"sparse": nn.EmbeddingBag(4000, 8, sparse=True), "turned": nn.Linear(5, 4)})
    optimizer = Undone(model.parameters(), 0.1, list(model.parameters()))
    with watching(model, optimizer, tmp_path, every=1):
        for _ in range(5):
            model["sparse"](torch.tensor([[1, 2]])).sum().backward()
            weight = model["turned"].weight
            weight.grad = torch.ones(5, 4).T
            optimizer.step()
            optimizer.zero_grad()
    assert set(recorded(tmp_path)[TAG].values()) == {0}


def test_steps_that_a_fused_optimizer_skips_for_an_overflow_are_no_fault(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120, backoff_factor=0.999)
    with watching(model, optimizer, tmp_path, every=1) as vitals:
        before = model[0].weight.detach().clone()
        for x, y in batches(6):
            loss = nn.functional.cross_entropy(model(x), y)
            scaler.scale(loss * 1e10).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            vitals.log(loss=loss)
    assert torch.equal(model[0].weight, before)
    found = recorded(tmp_path)[TAG]
    assert set(found.values()) == {0}
    assert max(found) == 5


def test_each_of_several_optimizers_has_its_own_count(tmp_path):
    one, other = nn.Linear(12, 3), nn.Linear(12, 3)
    optimizers = [torch.optim.SGD(one.parameters(), 0.1), Undone(other.parameters(), 0.1, [other.bias])]
    with watching(nn.ModuleList([one, other]), optimizers, tmp_path, every=1):
        for x, _ in batches(5):
            for model, optimizer in zip((one, other), optimizers, strict=True):
                model(x).square().sum().backward()
                optimizer.step()
                optimizer.zero_grad()
    found = recorded(tmp_path)
    assert set(found["wiring/optimizer0/not_moved"].values()) == {0}
    assert found["wiring/optimizer1/not_moved"][4] == 1
    assert [details["what"] for _, details in markers(tmp_path, "wiring")] == ["optimizer1/not_moved"]
