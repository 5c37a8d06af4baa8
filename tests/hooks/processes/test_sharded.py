"""Sharded parameters: rank 0 writes the norms of the full tensors."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributed as dist
from tests.hooks.processes.ranks import STEPS, local_batches, norm, sharded, squared_error, train, uneven, whole
from tests.hooks.training import recorded, watching
from tests.hooks.two_processes import in_processes
from torch import nn

from trainvitals_hooks.probes.probe import Probe
from trainvitals_hooks.recording.reading import Reading, named

pytestmark = [pytest.mark.torch, pytest.mark.slow]


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


def watched_mesh(rank, folder):
    """Replicas of shards, and one layer that nobody sharded."""
    from torch.distributed.fsdp import fully_shard

    mesh = dist.init_device_mesh("cpu", (2, 1), mesh_dim_names=("replicas", "shards"))
    model = nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1))
    fully_shard(model[0], mesh=mesh)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, every=1) as vitals:
        # The layer that nobody sharded has its own gradient on each rank: only that of rank 0 is recorded.
        x = torch.full((4, 12), 1.0 + rank)
        model(x).square().sum().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    return {name: (norm(whole(p)), norm(whole(p.grad))) for name, p in model.named_parameters()}


def test_of_replicas_and_unsharded_layers_one_counts(tmp_path):
    first, _ = in_processes(watched_mesh, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    for name, (weight, gradient) in first.value.items():
        assert found[f"weight_norm/{name}"][0] == pytest.approx(weight, rel=1e-5)
        assert found[f"grad_norm/{name}"][0] == pytest.approx(gradient, rel=1e-5)
        assert f"update_ratio/{name}" in found


class ReadsParameters(Probe):
    """Knows nothing of shards, as most probes."""

    name = "reads_parameters"
    writes = ("train/grad_norm",)

    def __init__(self, model):
        self._model = model

    @classmethod
    def of(cls, context):
        return cls(context.model)

    def after_update(self, optimizer):
        [parameter, *_] = self._model.parameters()
        return [Reading([parameter.sum().reshape(1)], lambda arrays: named({"train/grad_norm": float(arrays[0][0])}))]


def watched_by_a_probe_that_reads_parameters(rank, folder):
    from trainvitals_hooks.probes import registry

    registry.BY_NAME["reads_parameters"] = ReadsParameters
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, every=1, signals=["reads_parameters", "update_ratio"]) as vitals:
        train(model, optimizer, vitals, rank)


def test_a_probe_that_knows_nothing_of_shards_is_switched_off_before_it_waits_or_takes_a_part_for_the_whole(tmp_path):
    first, second = in_processes(watched_by_a_probe_that_reads_parameters, tmp_path / "processes", tmp_path / "run")
    assert "cannot read sharded parameters" in first.printed
    assert second.printed == ""
    found = recorded(tmp_path / "run")
    assert "train/grad_norm" not in found
    assert sorted(found["update_ratio/0.weight"]) == list(range(STEPS))


def watched_and_clipped(rank, folder):
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    expected, limit = {}, 0.3
    with watching(model, optimizer, folder, every=2) as vitals:
        for number, (x, y) in enumerate(local_batches(rank)):
            squared_error(model, x, y).backward()
            expected[number] = math.sqrt(sum(norm(whole(p.grad)) ** 2 for p in model.parameters()))
            vitals.clip_grad_norm_(model.parameters(), limit)
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    return expected, limit


def test_the_norm_before_clipping_is_that_of_all_shards(tmp_path):
    first, _ = in_processes(watched_and_clipped, tmp_path / "processes", tmp_path / "run")
    expected, limit = first.value
    found = recorded(tmp_path / "run")
    assert sorted(found["train/grad_norm_before_clipping"]) == [0, 2, 4]
    for step, value in found["train/grad_norm_before_clipping"].items():
        assert value == pytest.approx(expected[step], rel=1e-5)
        assert found["train/grad_clipped"][step] == (expected[step] > limit)
        assert found["train/grad_norm"][step] == pytest.approx(min(expected[step], limit), rel=1e-4)
