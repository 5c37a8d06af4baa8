"""The effective rank of a layer's outputs against eigenvalues of their covariance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.hooks.training import recorded, watching
from torch import nn
from torch.utils.checkpoint import checkpoint

from trainvitals_hooks.looking.rotation import AT_ONCE
from trainvitals_hooks.probes.effective_rank import ROWS, UNITS

pytestmark = pytest.mark.torch


def participation_ratio(rows):
    """Of rows ``[N, D]``, from the eigenvalues themselves."""
    values = np.linalg.eigvalsh(np.cov(np.asarray(rows, np.float64), rowvar=False))
    return values.sum() ** 2 / (values**2).sum()


def ranks(model, folder, *inputs, steps=1, every=1):
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with watching(model, optimizer, folder, every=every, signals=["effective_rank"]) as vitals:
        for _ in range(steps):
            model(*inputs)
            optimizer.step()
            vitals.log(loss=1.0)
    kind = "effective_rank/"
    return {tag.removeprefix(kind): values for tag, values in recorded(folder).items() if tag.startswith(kind)}


class Giving(nn.Linear):
    """A layer with weights that puts out what goes in."""

    def forward(self, x):
        return x


class GivingImages(nn.Conv2d):
    def forward(self, x):
        return x


def spread_over(rank, rows, units, generator=None):
    """Rows ``[rows, units]`` on a plane of so many dimensions, evenly, away from zero."""
    return 5 + torch.randn(rows, rank, generator=generator) @ torch.linalg.qr(torch.randn(units, rank))[0].T


@pytest.mark.parametrize("rank", [1, 2, 5, 20])
def test_where_the_sample_is_all_it_is_exact(tmp_path, rank):
    outputs = spread_over(rank, ROWS, UNITS)
    found = ranks(Giving(3, 3), tmp_path, outputs)["Giving"][0]
    assert found == pytest.approx(participation_ratio(outputs), rel=1e-4)
    assert found <= rank + 1e-3


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_a_sample_comes_close_to_all_rows_and_units(tmp_path, rank):
    outputs = spread_over(rank, 4096, 512)
    # 64 rows of an even spread over d directions give d * 64 / (d + 64), and 64 units of 512 scatter around it.
    expected = participation_ratio(outputs) * ROWS / (rank + ROWS)
    assert ranks(Giving(3, 3), tmp_path, outputs)["Giving"][0] == pytest.approx(expected, rel=0.35)


def test_scale_and_offset_do_not_matter(tmp_path):
    outputs = spread_over(5, 64, 32) - 5
    expected = participation_ratio(outputs)
    for number, changed in enumerate((outputs * 1e-12, outputs * 1e12, outputs + 300)):
        assert ranks(Giving(3, 3), tmp_path / str(number), changed)["Giving"][0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e8])
def test_outputs_that_are_all_alike_spread_over_nothing(tmp_path, value):
    assert ranks(Giving(3, 3), tmp_path, torch.full((40, 20), value))["Giving"][0] == 0


def test_outputs_that_are_not_finite_give_no_number(tmp_path):
    outputs = torch.randn(40, 20)
    outputs[:, 3] = torch.nan
    assert np.isnan(ranks(Giving(3, 3), tmp_path, outputs)["Giving"][0])


def test_tokens_are_rows(tmp_path):
    outputs = spread_over(4, 60, 10).reshape(3, 20, 10)
    assert ranks(Giving(3, 3), tmp_path, outputs)["Giving"][0] == pytest.approx(
        participation_ratio(outputs.reshape(-1, 10)), rel=1e-4
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_units_of_a_convolution_are_its_channels(tmp_path, layout):
    outputs = spread_over(3, 64, 12).reshape(4, 4, 4, 12).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    model = GivingImages(3, 3, 1)
    expected = participation_ratio(outputs.permute(0, 2, 3, 1).reshape(-1, 12))
    assert ranks(model, tmp_path, outputs)["GivingImages"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(4, 20), (20, 1), (20,), (), (0, 20)])
def test_too_few_rows_or_units_are_left_out(tmp_path, shape):
    assert ranks(Giving(3, 3), tmp_path, torch.randn(shape)) == {}


def test_layers_take_turns_and_each_has_its_turn(tmp_path):
    count = 2 * AT_ONCE + 1
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(count)), nn.ReLU())
    found = ranks(model, tmp_path, torch.randn(16, 8), steps=6)
    assert set(found) == {str(number) for number in range(count)}
    assert all(sorted(values) in ([0, 3], [1, 4], [2, 5]) for values in found.values())
    assert max(sum(step in values for values in found.values()) for step in range(6)) <= AT_ONCE


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_layer_is_heard_once(tmp_path, reentrant):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Linear(8, 8)

        def forward(self, x):
            x = checkpoint(self.block, x, use_reentrant=reentrant)
            x.sum().backward()
            return x

    model = Checkpointed()
    x = torch.randn(16, 8, requires_grad=True)
    with torch.no_grad():
        expected = participation_ratio(model.block(x))
    assert ranks(model, tmp_path, x)["block"][0] == pytest.approx(expected, rel=1e-3)


def test_layers_that_change_shape_and_type_are_followed(tmp_path):
    model = Giving(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    given = [torch.randn(32, 6), torch.randn(9, 70).bfloat16(), torch.randn(2, 8, 5), torch.randn(32, 6)]
    with watching(model, optimizer, tmp_path, every=1, signals=["effective_rank"]) as vitals:
        for outputs in given:
            model(outputs)
            optimizer.step()
            vitals.log(loss=1.0)
    expected = [
        participation_ratio(outputs.flatten(0, -2)[:, (outputs.shape[-1] - 64) // 2 :][:, :64].float())
        if outputs.shape[-1] > 64
        else participation_ratio(outputs.flatten(0, -2))
        for outputs in given
    ]
    assert list(recorded(tmp_path)["effective_rank/Giving"].values()) == pytest.approx(expected, rel=1e-3)
