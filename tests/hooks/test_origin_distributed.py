"""With two processes a NaN is traced without a collective, and a probe set is evaluated by one of them or by none."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.origins import origin_in
from tests.hooks.test_probe_set import EXAMPLES, held_out, per_example_loss
from tests.hooks.training import FEATURES, batches, network, recorded, watching
from tests.hooks.two_processes import in_processes
from torch import nn
from torch.nn.parallel import DistributedDataParallel

pytestmark = [pytest.mark.torch, pytest.mark.slow]

AT = 4


def train(rank, folder, wrapped, poisoned_rank):
    if wrapped == "ddp":
        model = network(dropout=0.0)
        trained = DistributedDataParallel(model)
    else:
        from torch.distributed.fsdp import fully_shard

        model = nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, 3))
        for layer in model:
            fully_shard(layer)
        trained = fully_shard(model)
    optimizer = torch.optim.SGD(trained.parameters(), 0.05)
    with watching(trained, optimizer, folder, every=3, live=False) as vitals:
        vitals.probe_set(held_out(), per_example_loss)
        for step, (x, y) in enumerate(batches(AT + 3)):
            if step == AT and rank == poisoned_rank:
                x[rank, 0] = math.nan
            nn.functional.cross_entropy(trained(x[rank::2]), y[rank::2]).backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
            if step == 2:
                vitals.log_validation(loss=1.0)


def test_the_data_of_the_process_that_writes_are_found(tmp_path):
    in_processes(train, tmp_path / "processes", tmp_path / "run", "ddp", 0)
    found = origin_in(tmp_path / "run")
    assert (found["kind"], found["step"]) == ("input", AT)


def test_what_came_from_another_process_is_not_blamed_on_the_loss_of_this_one(tmp_path):
    in_processes(train, tmp_path / "processes", tmp_path / "run", "ddp", 1)
    found = origin_in(tmp_path / "run")
    assert (found["kind"], found["step"]) == ("unknown", AT)
    assert "another process" in found["text"]


def test_the_probe_set_is_evaluated_once(tmp_path):
    in_processes(train, tmp_path / "processes", tmp_path / "run", "ddp", None)
    found = recorded(tmp_path / "run")
    assert sorted(found["probe_set/loss"]) == [0, 2]
    assert f"probe_set_example_loss/{EXAMPLES - 1}" in found


def test_a_sharded_model_is_neither_run_again_nor_evaluated(tmp_path):
    outcomes = in_processes(train, tmp_path / "processes", tmp_path / "run", "fsdp", 0)
    assert origin_in(tmp_path / "run")["kind"] in ("unknown", "parameter")
    assert "probe_set/loss" not in recorded(tmp_path / "run")
    assert outcomes[0].printed.count("the probe set is not evaluated") == 1
