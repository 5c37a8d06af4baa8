"""Statistics of histograms against the values they were made of, and against a slow quantile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitor.eventfile.event_records import event, histogram, record, tensor, tensor_proto, version, write

from trainvitals.eventfile import EventFileReader
from trainvitals.eventfile.event import Histogram, Matrix
from trainvitals.eventfile.histogram import summarise
from trainvitals.model import HistogramSeries


def slow_quantile(lower, upper, counts, level, minimum, maximum):
    """Walks bucket by bucket to where ``level`` of the count is reached."""
    wanted = level * sum(counts)
    reached = 0.0
    for low, high, count in zip(lower, upper, counts, strict=True):
        if count and reached + count >= wanted:
            low, high = max(low, minimum), min(high, maximum)
            return low + (wanted - reached) / count * (high - low)
        reached += count
    return maximum


def a_histogram(rng, size, spread):
    values = rng.normal(size=size) * spread
    counts, edges = np.histogram(values, bins=int(rng.integers(1, 40)))
    return values, Histogram(
        values.min(), values.max(), size, values.sum(), values @ values, edges, np.array([0, *counts], np.float64)
    )


def test_moments_are_those_of_the_values(tmp_path, way):
    rng = np.random.default_rng(0)
    values = [rng.normal(3, 2, 1000) for _ in range(12)]
    records = [record(event(step, histogram("h", each, np.linspace(-9, 15, 200)))) for step, each in enumerate(values)]
    series = EventFileReader(write(tmp_path / "f", version(), *records)).poll().histogram_series()["h"]
    assert series.step.tolist() == list(range(12))
    assert series.count.tolist() == [1000.0] * 12
    np.testing.assert_array_equal(series.minimum, [each.min() for each in values])
    np.testing.assert_array_equal(series.maximum, [each.max() for each in values])
    np.testing.assert_allclose(series.mean, [each.mean() for each in values])
    np.testing.assert_allclose(series.std, [each.std() for each in values])
    np.testing.assert_allclose(series.norm, [np.linalg.norm(each) for each in values])
    bucket_width = 24 / 199
    expected = [np.quantile(each, HistogramSeries.QUANTILES) for each in values]
    np.testing.assert_allclose(series.quantiles, expected, atol=bucket_width)


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_quantiles_of_many_histograms_equal_a_slow_walk_through_each(seed, how_many):
    rng = np.random.default_rng(seed)
    made = [a_histogram(rng, int(rng.integers(1, 200)), 10.0 ** rng.integers(-3, 4))[1] for _ in range(how_many)]
    found = summarise(made).quantiles
    expected = [
        [
            slow_quantile([one.minimum, *one.limits[:-1]], one.limits, one.counts, level, one.minimum, one.maximum)
            for level in HistogramSeries.QUANTILES
        ]
        for one in made
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_an_enormous_histogram_does_not_blur_its_neighbour():
    rng = np.random.default_rng(1)
    _, plain = a_histogram(rng, 100, 1.0)
    enormous = plain._replace(counts=plain.counts * 1e250)
    alone = summarise([plain]).quantiles[0]
    np.testing.assert_allclose(summarise([enormous, plain]).quantiles, [alone, alone], rtol=1e-9)


def test_impossible_counts_weigh_nothing_and_spoil_no_other_histogram():
    rng = np.random.default_rng(2)
    _, plain = a_histogram(rng, 100, 1.0)
    counts = plain.counts.copy()
    counts[1] = 0.0
    without = summarise([plain._replace(counts=counts)]).quantiles[0]
    for impossible in (np.nan, np.inf, -5.0):
        broken = counts.copy()
        broken[1] = impossible
        found = summarise([plain, plain._replace(counts=broken), plain]).quantiles
        np.testing.assert_allclose(found[1], without, rtol=1e-9)
        np.testing.assert_allclose(found[[0, 2]], summarise([plain, plain]).quantiles, rtol=1e-9)


def test_a_tensorboard_2_histogram_has_statistics_from_its_buckets_and_no_norm(tmp_path, way):
    rows = np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 10.0], [1.0, 2.0, 30.0], [2.0, 3.0, 0.0]])
    proto = tensor_proto(2, (4, 3), tensor_content=rows.tobytes())
    records = [
        record(event(0, tensor("h", proto, "histograms"))),
        record(event(1, tensor("h", proto))),
        record(event(1, tensor("curve", proto, "pr_curves"))),
    ]
    found = EventFileReader(write(tmp_path / "f", version(), *records)).poll().histogram_series()
    assert set(found) == {"h"}
    series = found["h"]
    assert series.step.tolist() == [0, 1]
    assert series.count.tolist() == [40.0, 40.0]
    assert series.minimum.tolist() == [0.0, 0.0]
    assert series.maximum.tolist() == [2.0, 2.0]
    assert series.mean[0] == pytest.approx((10 * 0.5 + 30 * 1.5) / 40)
    assert series.std[0] == pytest.approx(np.std([0.5] * 10 + [1.5] * 30))
    assert np.isnan(series.norm).all()
    assert series.quantiles[0, 2] == pytest.approx(1 + 10 / 30)


def test_what_cannot_be_known_is_nan():
    nothing = np.empty(0)
    empty = Histogram(0, 0, 0, 0, 0, nothing, nothing)
    no_squares = Histogram(-1, 1, 2, 0, 0, np.array([-1.0, 1.0]), np.array([1.0, 1.0]))
    all_zero = Histogram(0, 0, 2, 0, 0, np.array([0.0]), np.array([2.0]))
    found = summarise([empty, no_squares, all_zero, Matrix(np.empty((0, 3)))])
    assert found.count.tolist() == [0, 2, 2, 0]
    assert np.isnan(found.mean).tolist() == [True, False, False, True]
    assert np.isnan(found.norm).tolist() == [True, True, False, True]
    assert np.isnan(found.std).tolist() == [True, True, False, True]
    assert np.isnan(found.quantiles).all(axis=1).tolist() == [True, False, False, True]
    assert found.norm[2] == 0
