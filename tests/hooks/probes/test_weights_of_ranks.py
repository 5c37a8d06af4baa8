from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.hooks.training import batches, network, recorded, watching
from tests.hooks.two_processes import in_processes
from torch import nn
from torch.nn.parallel import DistributedDataParallel

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS, TOUCHED = 6, 3


def watched(rank, folder, kind):
    inner = network().to(kind)
    model = DistributedDataParallel(inner)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    expected = []
    with watching(model, optimizer, folder, every=1, signals=["weights_of_ranks"]) as vitals:
        for number, (x, y) in enumerate(batches(STEPS)):
            if number == TOUCHED and rank == 1:
                # The lowest bit of one weight of one rank.
                with torch.no_grad():
                    inner[3].weight[7, 7] = torch.nextafter(inner[3].weight[7, 7], torch.tensor(9.0, dtype=kind))
                    inner[3].weight.grad = None
            nn.functional.cross_entropy(model(x[rank::2].to(kind)), y[rank::2]).backward()
            if number >= TOUCHED:
                optimizer.zero_grad()
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=1.0)
            integers = {4: np.int32, 8: np.int64, 2: np.int16}[inner[0].weight.element_size()]
            total = sum(
                int(value)
                for parameter in inner.parameters()
                for value in parameter.detach().view(torch.uint8).numpy().ravel().view(integers)
            )
            expected.append(total % 2**24)
    return expected


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_one_bit_of_one_rank_shows(tmp_path, kind):
    outcomes = in_processes(watched, tmp_path / "processes", tmp_path / "run", kind)
    found = recorded(tmp_path / "run")
    values = [found[f"system/rank{rank}/parameter_checksum"] for rank in (0, 1)]
    for rank in (0, 1):
        assert [values[rank][step] for step in range(STEPS)] == outcomes[rank].value
    assert [values[0][step] == values[1][step] for step in range(STEPS)] == [True] * TOUCHED + [False] * (
        STEPS - TOUCHED
    )
