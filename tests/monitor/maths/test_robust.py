"""Statistics that a few wild values cannot move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import median_abs_deviation

from trainvitals.maths.robust import block_means, mad_scale, running_median

values = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(values)
def test_mad_scale_is_scipys(sample):
    assert mad_scale(sample) == pytest.approx(median_abs_deviation(sample, scale="normal"))


def test_mad_scale_of_nothing_is_unknown():
    assert np.isnan(mad_scale(np.empty(0)))


@given(values, st.integers(0, 6))
def test_running_median_is_the_median_of_the_neighbours(sample, half):
    slow = [np.median(sample[max(0, i - half) : i + half + 1]) for i in range(len(sample))]
    assert running_median(sample, 2 * half + 1) == pytest.approx(slow)


@pytest.mark.parametrize("width", [0, 2, -1])
def test_running_median_refuses_a_width_without_a_middle(width):
    with pytest.raises(ValueError, match="odd"):
        running_median(np.ones(5), width)


@given(values, st.integers(1, 80))
def test_blocks_are_contiguous_means_that_keep_every_point(sample, wanted):
    time = np.arange(len(sample), dtype=float)
    blocks = block_means(time, sample, wanted)
    assert len(blocks) == min(wanted, len(sample))
    assert blocks.count.sum() == len(sample)
    assert blocks.count.max() - blocks.count.min() <= 1
    if blocks.count.min() < 15:
        for value, start, count in zip(blocks.value, blocks.start, blocks.count, strict=True):
            assert value == pytest.approx(sample[start : start + count].mean(), abs=1e-6)


def test_a_spike_does_not_move_its_block():
    sample = np.random.default_rng(0).normal(3.0, 0.1, 400)
    sample[210] = 1e4
    blocks = block_means(np.arange(400.0), sample, 10)
    assert np.abs(blocks.value - 3.0).max() < 0.15


def test_heavy_but_regular_noise_is_averaged_not_medianed():
    sample = np.random.default_rng(1).lognormal(0.0, 1.0, 6000)
    blocks = block_means(np.arange(6000.0), sample, 20)
    assert blocks.value.mean() == pytest.approx(sample.mean(), rel=0.03)


def test_no_blocks_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        block_means(np.arange(3.0), np.arange(3.0), 0)
