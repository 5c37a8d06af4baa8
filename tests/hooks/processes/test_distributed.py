"""Trainings of two processes: rank 0 writes, what it writes is right, and no rank ever waits for another's watcher."""

from __future__ import annotations

import math
import os
import signal
import time

import pytest
import torch
import torch.distributed as dist
from tests.hooks.training import batches, network, recorded, watching
from tests.hooks.two_processes import in_processes
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainvitals_hooks.probes.probe import Probe
from trainvitals_hooks.processes import distributed
from trainvitals_hooks.recording.reading import Reading, named

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


def train(model, optimizer, vitals, rank, *, steps=STEPS, step_s=0.0, logs=True, poison_at=None):
    for number, (x, y) in enumerate(local_batches(rank, steps)):
        loss = squared_error(model, x, y)
        if number == poison_at:
            loss = loss * math.nan
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if vitals is not None and logs:
            vitals.log(loss=loss)
        time.sleep(step_s)


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


def watched_by_some(rank, folder, watching_ranks, shards):
    model = uneven()
    model = sharded(model) if shards else DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=1) if rank in watching_ranks else None
    train(model, optimizer, vitals, rank, steps=40)
    if vitals is not None:
        vitals.close()


@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize("watching_ranks", [(0,), (1,)])
def test_a_watcher_on_one_rank_only_holds_up_nobody(tmp_path, watching_ranks, shards):
    outcomes = in_processes(watched_by_some, tmp_path / "processes", tmp_path / "run", watching_ranks, shards)
    if 0 in watching_ranks:
        found = recorded(tmp_path / "run")
        assert len(found["train/loss"]) == 40
        assert ("weight_norm/0.weight" in found) is not shards
        assert "rank 1 does not tell what it should: is watch called on every rank?" in outcomes[0].printed
    else:
        assert not (tmp_path / "run").exists()
        assert [outcome.printed for outcome in outcomes] == ["", ""]


def watched_until_closed(rank, folder, closing_rank):
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=1)
    train(model, optimizer, vitals, rank, steps=3)
    if rank == closing_rank:
        vitals.close()
    train(model, optimizer, vitals, rank, steps=40)
    vitals.close()


@pytest.mark.parametrize("closing_rank", [0, 1])
def test_a_rank_that_closes_its_watcher_holds_up_nobody(tmp_path, closing_rank):
    outcomes = in_processes(watched_until_closed, tmp_path / "processes", tmp_path / "run", closing_rank)
    found = recorded(tmp_path / "run")
    assert sorted(found["weight_norm/0.weight"])[:2] == [0, 1]
    assert len(found["train/loss"]) == (43 if closing_rank else 3)
    assert outcomes[1].printed == ""


def watched_until_a_probe_breaks(rank, folder):
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=1)
    train(model, optimizer, vitals, rank, steps=3)
    if rank == 1:
        for probe in vitals._guard._probes:
            probe._shards = "broken"
    train(model, optimizer, vitals, rank, steps=40)
    vitals.close()


def test_probes_that_break_on_one_rank_hold_up_nobody_and_rank_0_says_why(tmp_path):
    first, second = in_processes(watched_until_a_probe_breaks, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    assert sorted(found["weight_norm/0.weight"]) == [0, 1, 2]
    assert len(found["train/loss"]) == 43
    assert second.printed == ""
    assert "rank 1 does not tell what it should: " in first.printed
    assert "'str' object has no attribute" in first.printed


def ask_at_every_step():
    """However busy the machine is: what a test expects does not depend on it."""
    distributed.LARGEST_SHARE = math.inf


def watched_without_agreement(rank, folder):
    """Rank 1 is slow, and would rather record every third step; rank 0 changes its mind after an anomaly of rank 1."""
    ask_at_every_step()
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=10 if rank == 0 else 3)
    train(model, optimizer, vitals, rank, steps=40, step_s=0.02 * (1 + rank), poison_at=14 if rank == 1 else None)
    vitals.close()


def test_ranks_of_different_speed_and_mind_record_the_steps_that_rank_0_chooses(tmp_path):
    in_processes(watched_without_agreement, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    # At step 14 only rank 1 sees it; from step 15 on the loss of rank 0 is NaN too, which makes the next ones dense.
    assert len(found["train/loss"]) == 40
    assert math.isfinite(found["train/loss"][14])
    assert math.isnan(found["train/loss"][15])
    due = set(found["activation_mean/0"])
    assert due >= {0, 10, 18, 19, 20, 30}
    assert set(found["grad_norm/0.weight"]) == due


def watched_beyond_the_budget(rank, folder):
    ask_at_every_step()
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=1, budget=1e-9 if rank == 0 else math.inf)
    train(model, optimizer, vitals, rank, steps=40, step_s=0.02)
    vitals.close()


def test_the_budget_of_rank_0_spaces_the_records_of_all(tmp_path):
    in_processes(watched_beyond_the_budget, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    assert len(found["activation_mean/0"]) < 20
    assert set(found["grad_norm/0.weight"]) == set(found["activation_mean/0"])


def watched_and_torn_down(rank, folder):
    model = sharded(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=2)
    train(model, optimizer, vitals, rank, steps=8)
    dist.barrier()
    dist.destroy_process_group()
    vitals.close()
    dist.init_process_group("gloo", init_method=f"file://{folder.parent / 'second'}", rank=rank, world_size=2)


def test_a_group_that_is_torn_down_first_costs_nothing_but_the_last_record(tmp_path):
    outcomes = in_processes(watched_and_torn_down, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    assert sorted(found["train/loss"]) == list(range(8))
    assert sorted(found["weight_norm/0.weight"])[:3] == [0, 2, 4]
    assert all("TCPStore" not in outcome.printed for outcome in outcomes)


def watched_in_two_sessions(rank, folder, use_checkpoint):
    state = {}
    for _ in range(2):
        model = sharded(uneven())
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        vitals = watching(model, optimizer, folder, every=2, resume=not use_checkpoint)
        if state and use_checkpoint:
            vitals.load_state_dict(state)
        train(model, optimizer, vitals, rank, steps=5, step_s=0.05)
        state = vitals.state_dict()
        vitals.close()


@pytest.mark.parametrize("use_checkpoint", [True, False])
def test_a_resumed_training_goes_on_at_the_same_step_on_all_ranks(tmp_path, use_checkpoint):
    in_processes(watched_in_two_sessions, tmp_path / "processes", tmp_path / "run", use_checkpoint)
    found = recorded(tmp_path / "run")
    assert sorted(found["train/loss"]) == list(range(10))
    assert {0, 2, 4, 6, 8} - {6} <= set(found["weight_norm/0.weight"])


def trained_until_rank_0_dies(rank, folder):
    model = DistributedDataParallel(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    vitals = watching(model, optimizer, folder, every=1)
    train(model, optimizer, vitals, rank, steps=5)
    if rank == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        train(model, optimizer, vitals, rank, steps=50)
    except RuntimeError as error:
        vitals.close()
        os._exit(7 if "peer" in str(error) or "Connection" in str(error) else 8)


def test_when_rank_0_is_killed_the_training_fails_as_it_would_alone_and_the_record_is_there(tmp_path):
    with pytest.raises(AssertionError, match=r"ranks \[0, 1\] failed") as failure:
        in_processes(trained_until_rank_0_dies, tmp_path / "processes", tmp_path / "run")
    assert "Traceback" not in str(failure.value)
    assert len(recorded(tmp_path / "run")["train/loss"]) >= 3


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


def losses_of_examples(model, batch):
    return model(batch).square().mean(1)


def watched_with_a_probe_set(rank, folder, shards):
    model = sharded(uneven()) if shards else DistributedDataParallel(uneven())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watching(model, optimizer, folder, every=2) as vitals:
        vitals.probe_set(torch.randn(4, 12), losses_of_examples)
        train(model, optimizer, vitals, rank)
        if rank == 0:
            # As many loops do: the first rank logs what all have computed together.
            vitals.log_validation(loss=1.0)
        train(model, optimizer, vitals, rank)


@pytest.mark.parametrize("shards", [True, False])
def test_a_probe_set_is_evaluated_where_rank_0_can_do_it_alone(tmp_path, shards):
    first, second = in_processes(watched_with_a_probe_set, tmp_path / "processes", tmp_path / "run", shards)
    found = recorded(tmp_path / "run")
    assert ("probe_set/loss" in found) is not shards
    assert ("its forward pass would wait for other processes" in first.printed) is shards
    assert second.printed == ""
