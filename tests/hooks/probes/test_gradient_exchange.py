from __future__ import annotations

import copy
import time
from contextlib import nullcontext
from statistics import median

import pytest
import torch
from tests.hooks.training import batches, recorded, watching
from tests.hooks.two_processes import in_processes
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainvitals_hooks.looking.noise_scale import NoiseScale

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS = 6


def squared_norm(tensors):
    return sum(tensor.detach().double().square().sum().item() for tensor in tensors)


def model_of_test():
    return nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3))


def watched(rank, folder, passes, kind):
    """Two micro-batches a step, clipped; and what each rank's gradients are without any exchange."""
    inner = model_of_test()
    model = DistributedDataParallel(inner, **kind)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    vitals = watching(model, optimizer, folder, every=1, signals="full")
    local, exchanged = [], []
    feed = batches(STEPS * passes)
    for _ in range(STEPS):
        squares = []
        for number in range(passes):
            x, y = next(feed)
            x, y = x[rank::2], y[rank::2]
            copied = copy.deepcopy(inner)
            alone = torch.autograd.grad(nn.functional.cross_entropy(copied(x), y), list(copied.parameters()))
            squares.append(squared_norm(alone))
            with nullcontext() if number == passes - 1 else model.no_sync():
                (nn.functional.cross_entropy(model(x), y) / passes).backward()
        local.append(sum(squares) / passes)
        exchanged.append(squared_norm(parameter.grad for parameter in inner.parameters()))
        vitals.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
        optimizer.zero_grad()
        vitals.log(loss=1.0)
    vitals.close()
    return local, exchanged


@pytest.mark.parametrize(("passes", "kind"), [(1, {}), (2, {}), (1, {"gradient_as_bucket_view": True})])
def test_the_noise_scale_is_that_of_the_gradients_before_and_after_the_exchange(tmp_path, passes, kind):
    first, second = in_processes(watched, tmp_path / "processes", tmp_path / "run", passes, kind)
    found = recorded(tmp_path / "run")["train/gradient_noise_scale"]
    expected = NoiseScale()
    compared = 0
    for step, (mine, others, exchanged) in enumerate(zip(first.value[0], second.value[0], first.value[1], strict=True)):
        value = expected.add((mine + others) / 2, 8, exchanged, 16 * passes)
        assert (value is None) == (step not in found)
        if value is not None:
            assert found[step] == pytest.approx(value, rel=1e-3)
            compared += 1
    assert compared


def watched_slow_rank(rank, folder):
    model = DistributedDataParallel(model_of_test())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, every=1, signals="full") as vitals:
        for x, y in batches(STEPS):
            time.sleep(0.05 * rank)
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)


def test_the_fast_rank_waits_for_the_slow_one(tmp_path):
    in_processes(watched_slow_rank, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    fast, slow = (found[f"system/rank{rank}/communication_time_s"] for rank in (0, 1))
    assert sorted(fast) == sorted(slow) == list(range(STEPS))
    # The first step may begin at different times, and any other may meet a busy machine.
    assert median(list(fast.values())[1:]) > max(0.03, median(list(slow.values())[1:]))
    assert all(found["system/communication_time_s"][step] == min(fast[step], slow[step]) for step in fast)


def watched_without_replicas(rank, folder):
    """Each rank trains for itself; nothing is exchanged."""
    model = model_of_test()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, every=1, signals=["gradient_exchange", "light"]) as vitals:
        for x, y in batches(STEPS):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
    return [len(parameter._backward_hooks or ()) for parameter in model.parameters()]


def test_where_nothing_is_exchanged_nothing_is_recorded_of_it(tmp_path):
    outcomes = in_processes(watched_without_replicas, tmp_path / "processes", tmp_path / "run")
    found = recorded(tmp_path / "run")
    assert "train/gradient_noise_scale" not in found
    assert not [tag for tag in found if "communication" in tag]
    assert outcomes[0].value == [0, 0, 0, 0]
