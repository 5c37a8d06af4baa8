"""Trainings of two processes: rank 0 writes, what it writes is right, and no rank ever waits for another's watcher."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.processes import in_processes
from tests.hooks.training import batches, recorded, watching
from torch import nn

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS = 6


def uneven():
    """Layers that two ranks cannot share evenly: of the last one, one rank gets nothing."""
    return nn.Sequential(nn.Linear(12, 41), nn.Tanh(), nn.Linear(41, 3), nn.Tanh(), nn.Linear(3, 1))


def local_batches(rank, count=STEPS):
    for x, y in batches(count):
        yield x[rank::2], y[rank::2].double().float()[:, None]


def norm(tensor):
    return math.sqrt(tensor.detach().double().square().sum().item())


def squared_error(model, x, y):
    return nn.functional.mse_loss(model(x), y)


def sharded(model, mesh=None):
    from torch.distributed.fsdp import fully_shard

    for layer in (model[0], model[2], model[4]):
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def whole(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def watched_shards(rank, folder, settings):
    """Train a sharded model; what each parameter's norms are, of full tensors, one collective each."""
    model = sharded(uneven())
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    vitals = watching(model, optimizer, folder, **settings)
    expected = {}
    for number, (x, y) in enumerate(local_batches(rank)):
        loss = squared_error(model, x, y)
        loss.backward()
        before = {name: whole(p).clone() for name, p in model.named_parameters()}
        optimizer.step()
        for name, p in model.named_parameters():
            expected["weight_norm/" + name, number] = norm(whole(p))
            expected["grad_norm/" + name, number] = norm(whole(p.grad))
            if norm(before[name]):
                expected["update_ratio/" + name, number] = norm(whole(p) - before[name]) / norm(before[name])
        expected["train/grad_norm", number] = math.sqrt(sum(norm(whole(p.grad)) ** 2 for p in model.parameters()))
        optimizer.zero_grad()
        vitals.log(loss=loss)
    vitals.close()
    return expected


def test_norms_of_sharded_parameters_are_those_of_the_full_tensors(tmp_path):
    outcomes = in_processes(watched_shards, tmp_path / "processes", tmp_path / "run", {"every": 2})
    found = recorded(tmp_path / "run")
    assert outcomes[0].value.keys() == outcomes[1].value.keys()
    checked = 0
    for (tag, step), value in outcomes[0].value.items():
        if step % 2 == 0:
            assert found[tag][step] == pytest.approx(value, rel=1e-5), (tag, step)
            checked += 1
    assert checked == 3 * (3 * 6 + 1)
    assert outcomes[1].printed == ""
    assert not [path for path in tmp_path.iterdir() if path.name not in ("processes", "run")]
    assert len(list((tmp_path / "run").iterdir())) == 1
    for rank in (0, 1):
        assert sorted(found[f"system/rank{rank}/step_time_s"]) == [2, 4]
