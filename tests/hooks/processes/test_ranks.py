"""Ranks that fail, differ or end on their own: no rank ever waits for another's watcher."""

from __future__ import annotations

import math
import os
import signal

import pytest
import torch
import torch.distributed as dist
from tests.hooks.processes.ranks import sharded, train, uneven
from tests.hooks.training import recorded, watching
from tests.hooks.two_processes import in_processes
from torch.nn.parallel import DistributedDataParallel

from trainvitals_hooks.processes import distributed

pytestmark = [pytest.mark.torch, pytest.mark.slow]


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
