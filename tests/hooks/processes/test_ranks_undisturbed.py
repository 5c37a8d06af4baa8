"""A training of two processes is bit for bit the same with a watcher."""

from __future__ import annotations

import pytest
import torch
from tests.hooks.processes.ranks import whole
from tests.hooks.training import batches, network, watching
from tests.hooks.two_processes import in_processes
from torch import nn
from torch.nn.parallel import DistributedDataParallel

pytestmark = [pytest.mark.torch, pytest.mark.slow]


KINDS_OF_REPLICAS = {
    "replicas": {},
    "replicas whose gradients are views": {"gradient_as_bucket_view": True},
    "replicas with a static graph": {"static_graph": True},
}


def weights_after(rank, kind, optimizer_kind, folder):
    torch.manual_seed(3)
    model = network(dropout=0.3)
    if kind == "shards":
        from torch.distributed.fsdp import fully_shard

        for layer in (model[0], model[3]):
            fully_shard(layer)
        model = fully_shard(model)
    else:
        model = DistributedDataParallel(model, **KINDS_OF_REPLICAS[kind])
    torch.manual_seed(10 + rank)
    optimizer = optimizer_kind(model.parameters(), 0.01)
    vitals = None if folder is None else watching(model, optimizer, folder, every=3, signals="full")
    for x, y in batches(60):
        loss = nn.functional.cross_entropy(model(x[rank::2]), y[rank::2])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if vitals is not None:
            vitals.log(loss=loss)
    if vitals is not None:
        vitals.close()
    return {name: whole(value).clone() for name, value in model.state_dict().items()}, torch.get_rng_state()


def with_and_without(rank, kind, optimizer_kind, folder):
    alone, random_alone = weights_after(rank, kind, optimizer_kind, None)
    watched, random_watched = weights_after(rank, kind, optimizer_kind, folder)
    different = [name for name in alone if not torch.equal(alone[name], watched[name])]
    return different, torch.equal(random_alone, random_watched), len(alone)


@pytest.mark.parametrize("kind", [*KINDS_OF_REPLICAS, "shards"])
@pytest.mark.parametrize("optimizer_kind", [torch.optim.SGD, torch.optim.AdamW])
def test_weights_and_random_numbers_of_all_ranks_are_those_of_an_unwatched_training(tmp_path, kind, optimizer_kind):
    for outcome in in_processes(with_and_without, tmp_path / "processes", kind, optimizer_kind, tmp_path / "run"):
        assert outcome.value == ([], True, 11)
    assert (tmp_path / "run").is_dir()
