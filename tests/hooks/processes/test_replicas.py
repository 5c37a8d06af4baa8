"""Replicas: one is recorded, under its own names."""

from __future__ import annotations

import pytest
import torch
from tests.hooks.processes.ranks import STEPS, norm, train
from tests.hooks.training import batches, network, recorded, watching
from tests.hooks.two_processes import in_processes
from torch import nn
from torch.nn.parallel import DistributedDataParallel

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def watched_replicas(rank, folder, wrap_first):
    model = network()
    inner = model
    model = DistributedDataParallel(model) if wrap_first else model
    optimizer = torch.optim.SGD(inner.parameters(), 0.1)
    vitals = watching(model, optimizer, folder, every=2)
    model = model if wrap_first else DistributedDataParallel(model)
    expected = {}
    for number, (x, y) in enumerate(batches(STEPS)):
        loss = nn.functional.cross_entropy(model(x[rank::2]), y[rank::2])
        loss.backward()
        optimizer.step()
        for name, p in inner.named_parameters():
            expected["weight_norm/" + name, number] = norm(p)
            expected["grad_norm/" + name, number] = norm(p.grad)
        optimizer.zero_grad()
        vitals.log(loss=loss)
        expected["train/loss", number] = loss.item()
    vitals.close()
    return expected


@pytest.mark.parametrize("wrap_first", [True, False])
def test_replicas_are_recorded_under_their_own_names_with_the_gradients_of_all_ranks(tmp_path, wrap_first):
    first, second = in_processes(watched_replicas, tmp_path / "processes", tmp_path / "run", wrap_first)
    found = recorded(tmp_path / "run")
    for (tag, step), value in first.value.items():
        if step % 2 == 0 or tag == "train/loss":
            # The one parameter with more elements than a sample has.
            near = 0.06 if tag == "weight_norm/3.weight" else 1e-5
            assert found[tag][step] == pytest.approx(value, rel=near), (tag, step)
    gradients = [key for key in first.value if key[0].startswith("grad_norm")]
    assert [first.value[key] for key in gradients] == [second.value[key] for key in gradients]
    assert not [tag for tag in found if "module" in tag]
    assert second.printed == ""
    assert "in 2 processes" in first.printed


def watched_with_an_unused_layer(rank, folder):
    model = nn.ModuleDict({"used": nn.Linear(12, 1), "unused": nn.Linear(2, 2)})
    replica = DistributedDataParallel(Used(model), find_unused_parameters=True)
    optimizer = torch.optim.SGD(replica.parameters(), 0.1)
    with watching(replica, optimizer, folder, every=1) as vitals:
        train(replica, optimizer, vitals, rank)


class Used(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return self.layers["used"](x)


def test_a_layer_that_a_replica_does_not_use_has_no_gradient(tmp_path):
    in_processes(watched_with_an_unused_layer, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    assert sorted(found["grad_norm/layers.used.weight"]) == list(range(STEPS))
    assert "grad_norm/layers.unused.weight" not in found
    assert "weight_norm/layers.unused.weight" in found
