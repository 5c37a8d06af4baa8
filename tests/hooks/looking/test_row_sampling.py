"""The rows of a sample are rows of the output, spread over all of it."""

from __future__ import annotations

import pytest
import torch

from trainvitals_hooks.looking.row_sampling import RowSampling

pytestmark = pytest.mark.torch


def numbered(shape, unit_axis):
    """An output whose elements say which row and which unit they are."""
    units = shape[unit_axis]
    rows = torch.arange(torch.Size(shape).numel() // units).reshape([*shape[:unit_axis], *shape[unit_axis + 1 :]])
    unit = torch.arange(units).reshape([-1 if axis == unit_axis else 1 for axis in range(len(shape))])
    return rows.unsqueeze(unit_axis) * 1000.0 + unit


@pytest.mark.parametrize(
    ("shape", "unit_axis"),
    [
        ((16, 10), 1),
        ((256, 100), 1),
        ((2, 128, 32), 2),
        ((8, 16, 32, 32), 1),
        ((1, 64, 3, 3), 1),
        ((3, 7, 5, 4, 6), 1),
        ((100, 5, 40), 1),
        ((12, 20, 3), 0),
    ],
)
@pytest.mark.parametrize("layout", ["plain", "strided"])
def test_rows_are_whole_different_and_spread(shape, unit_axis, layout):
    output = numbered(shape, unit_axis)
    if layout == "strided":
        output = output.transpose(0, -1).contiguous().transpose(0, -1)
    sampling = RowSampling.of(output, unit_axis, 64, 30)
    sample = sampling.of_tensor(output)
    assert sample.shape == (sampling.rows, sampling.units)
    assert sampling.units == min(shape[unit_axis], 30)
    rows, units = sample.long() // 1000, sample.long() % 1000
    assert (rows == rows[:, :1]).all()
    assert (units == units[:1]).all()
    assert len(set(rows[:, 0].tolist())) == sampling.rows <= 64
    there = output.numel() // shape[unit_axis]
    assert sampling.rows >= min(there, 64) / 2
    # Its middle is the middle of the rows: neither end is left out.
    assert abs(rows[:, 0].double().mean().item() - (there - 1) / 2) < 0.26 * there


def test_the_sample_carries_no_gradient_and_follows_the_output():
    output = torch.zeros(6, 4, requires_grad=True)
    sample = RowSampling.of(output, -1, 64, 64).of_tensor(output)
    assert not sample.requires_grad
    assert sample.data_ptr() == output.data_ptr()
