"""What is drawn of a series was recorded so, shows its extremes and its gaps, and is little enough for a browser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainvitals.figures.points import MOST_MARKS, MOST_POINTS, drawn, smoothed

NAN = float("nan")
finite = st.floats(-1e6, 1e6, width=32)
anything = st.one_of(finite, st.sampled_from([NAN, math.inf, -math.inf]))


@st.composite
def series(draw: st.DrawFn, values: st.SearchStrategy[float] = anything) -> tuple[NDArray, NDArray, NDArray]:
    """Places, values and breaks of a few hundred points: even, with repeated steps, unevenly far, or going back."""
    count = draw(st.integers(0, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = np.array(draw(st.lists(values, min_size=1, max_size=12)))
    value = rng.choice(pool, count)
    if draw(st.booleans()):
        value = np.where(rng.random(count) < 0.1, value, rng.standard_normal(count))
    shape = draw(st.sampled_from(["even", "repeated", "uneven", "one", "back"]))
    place = {
        "even": np.arange(count),
        "repeated": np.sort(rng.integers(0, 5, count)),
        "uneven": np.sort(rng.random(count)) ** 30,
        "one": np.zeros(count),
        "back": np.concatenate((np.arange(count // 2), np.arange(count - count // 2))),
    }[shape]
    breaks = rng.random(count) < draw(st.sampled_from([0.0, 0.02, 0.5]))
    return place.astype(float), value, breaks


def slow_average(values: list[float], weight: float) -> list[float]:
    """Every value weighted by hand."""
    result, seen = [], []
    for value in values:
        if not math.isfinite(value):
            result.append(NAN)
            continue
        seen.append(value)
        weights = [weight**age for age in range(len(seen))]
        result.append(sum(w * v for w, v in zip(weights, reversed(seen), strict=True)) / sum(weights))
    return result


@given(st.lists(anything, max_size=60), st.floats(0, 0.999))
def test_smoothing_is_the_weighted_mean_of_what_came_before(values: list[float], weight: float) -> None:
    expected = slow_average(values, weight)
    size = max((abs(value) for value in values if math.isfinite(value)), default=1.0)
    np.testing.assert_allclose(smoothed(np.array(values), weight), expected, rtol=1e-6, atol=1e-9 * size)


@given(finite, st.integers(1, 300), st.floats(0, 0.999))
def test_a_constant_stays_exactly_constant(value: float, count: int, weight: float) -> None:
    assert (smoothed(np.full(count, value), weight) == value).all()


@given(series(), st.floats(0, 0.999))
def test_smoothing_leaves_no_range_and_smears_no_value_that_is_not_finite(
    given_series: tuple[NDArray, NDArray, NDArray], weight: float
) -> None:
    _, value, breaks = given_series
    result = smoothed(value, weight, breaks)
    assert np.array_equal(np.isfinite(result), np.isfinite(value))
    if np.isfinite(value).any():
        known = value[np.isfinite(value)]
        assert known.min() <= np.nanmin(result)
        assert np.nanmax(result) <= known.max()


def test_smoothing_begins_anew_at_a_break() -> None:
    value = np.array([0.0, 0.0, 8.0, 8.0])
    assert smoothed(value, 0.9, np.array([False, False, True, False])).tolist() == value.tolist()


@given(series(), st.integers(40, 120))
def test_never_more_points_than_allowed_and_none_invented_or_moved(
    given_series: tuple[NDArray, NDArray, NDArray], limit: int
) -> None:
    place, value, breaks = given_series
    line = drawn(place, value, breaks=breaks, limit=limit)
    assert len(line.x) == len(line.y) == len(line.alone) <= limit
    recorded = set(zip(place.tolist(), value.tolist(), strict=True))
    assert {(x, y) for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True) if not math.isnan(y)} <= recorded
    assert not np.isinf(line.y).any()


@given(series(), st.integers(40, 120))
def test_order_is_kept(given_series: tuple[NDArray, NDArray, NDArray], limit: int) -> None:
    """What is drawn is found in the recording one after the other."""
    place, value, breaks = given_series
    line = drawn(place, value, breaks=breaks, limit=limit)
    left = iter(zip(place.tolist(), value.tolist(), strict=True))
    points = [(x, y) for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True) if not math.isnan(y)]
    assert all(point in left for point in points)


@given(series(), st.integers(40, 120))
def test_the_ends_and_the_extremes_are_drawn(given_series: tuple[NDArray, NDArray, NDArray], limit: int) -> None:
    place, value, breaks = given_series
    line = drawn(place, value, breaks=breaks, limit=limit)
    known = value[np.isfinite(value)]
    if len(known) == 0:
        assert len(line.finite) == 0
        return
    assert (line.finite.min(), line.finite.max()) == (known.min(), known.max())
    assert (line.finite[0], line.finite[-1]) == (known[0], known[-1])


@given(series(), st.integers(40, 120))
def test_no_line_crosses_a_value_that_is_not_finite_a_break_or_a_step_back(
    given_series: tuple[NDArray, NDArray, NDArray], limit: int
) -> None:
    """Values made unique, so that each drawn point is known to be one of the recording."""
    place, value, breaks = given_series
    value = np.where(np.isfinite(value), np.arange(len(value), dtype=float), value)
    line = drawn(place, value, breaks=breaks, limit=limit)
    for (_, one), (_, other) in zip(
        zip(line.x, line.y, strict=True), list(zip(line.x, line.y, strict=True))[1:], strict=False
    ):
        if math.isnan(one) or math.isnan(other):
            continue
        between = slice(int(one) + 1, int(other) + 1)
        assert np.isfinite(value[between]).all()
        assert not breaks[between].any()
        assert (np.diff(place[int(one) : int(other) + 1]) >= 0).all()


@given(series())
def test_a_series_short_enough_is_drawn_whole(given_series: tuple[NDArray, NDArray, NDArray]) -> None:
    place, value, breaks = given_series
    line = drawn(place, value, breaks=breaks)
    assert line.finite.tolist() == value[np.isfinite(value)].tolist()


@given(series(), st.floats(0, 1), st.floats(0, 1))
def test_non_finite_points_are_counted_and_marked_where_they_are(
    given_series: tuple[NDArray, NDArray, NDArray], one: float, other: float
) -> None:
    place, value, breaks = given_series
    low, high = sorted((one * (place.max(initial=0)), other * (place.max(initial=0))))
    line = drawn(place, value, breaks=breaks, window=(low, high))
    inside = (place >= low) & (place <= high)
    assert line.recorded == inside.sum()
    for marks, kind in ((line.nan, np.isnan), (line.above, np.isposinf), (line.below, np.isneginf)):
        where = place[inside & kind(value)]
        assert marks.total == marks.count.sum() == len(where)
        assert len(marks.x) <= MOST_MARKS
        assert set(marks.x) <= set(where)


@given(series(finite), st.floats(0, 1), st.floats(0, 1))
def test_a_window_shows_all_of_its_points_and_lets_lines_run_out_of_it(
    given_series: tuple[NDArray, NDArray, NDArray], one: float, other: float
) -> None:
    place, value, _ = given_series
    place = np.sort(place)
    low, high = sorted((one * (place.max(initial=0)), other * (place.max(initial=0))))
    line = drawn(place, value, window=(low, high))
    inside = (place >= low) & (place <= high)
    assert [y for x, y in zip(line.x, line.y, strict=True) if low <= x <= high] == value[inside].tolist()
    if inside.any():
        first, last = np.flatnonzero(inside)[[0, -1]]
        assert len(line.x) == inside.sum() + (first > 0) + (last < len(place) - 1)


def test_points_without_a_neighbour_are_told_apart() -> None:
    line = drawn(np.arange(7), np.array([1.0, NAN, 2.0, 3.0, NAN, NAN, 4.0]))
    assert [float(y) for y in line.y[line.alone]] == [1.0, 4.0]


def test_a_sparse_part_of_the_axis_keeps_its_points_beside_a_dense_one() -> None:
    """A million points in the first hundredth of the axis, ninety beyond."""
    place = np.concatenate((np.linspace(0, 10, 100_000), np.arange(100, 1000, 10)))
    value = np.random.default_rng(1).standard_normal(len(place))
    line = drawn(place, value)
    assert set(place[-90:]) <= set(line.x)


def test_many_more_gaps_than_points_allowed_still_join_nothing() -> None:
    value = np.where(np.arange(1_000_000) % 2, NAN, np.arange(1_000_000, dtype=float))
    line = drawn(np.arange(1_000_000), value)
    assert len(line.x) <= MOST_POINTS
    assert line.alone[np.isfinite(line.y)].all()
    assert line.nan.total == 500_000


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_points_need_no_care(count: int) -> None:
    line = drawn(np.arange(count), np.ones(count))
    assert line.finite.tolist() == [1.0] * count
    assert line.alone.tolist() == [True] * count if count == 1 else not line.alone.any()
