"""Curves of several runs over one axis: each told apart, nothing hidden, nothing invented."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.monitor.figures.reading import names, notes, points, trace

from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.curves_figure import Curve, curves_chart, legend_chart
from trainvitals.model import Series

STEPS = np.arange(0, 1000, 10)


def curve(
    value: np.ndarray, *, run: str = "a", place: int = 0, step: np.ndarray = STEPS, x: np.ndarray | None = None
) -> Curve:
    series = Series("loss", step.astype(np.int64), 1e9 + step.astype(float), np.asarray(value, dtype=float))
    return Curve(run, place, series, np.asarray(step if x is None else x, dtype=float))


def falling(noise: float = 0.0) -> np.ndarray:
    return 3 - STEPS / 1000 + noise * np.random.default_rng(0).standard_normal(len(STEPS))


def test_eight_runs_differ_in_colour_and_in_dashes() -> None:
    chart = curves_chart("loss", [curve(falling(), run=f"run {i}", place=i) for i in range(look.MOST_RUNS)])
    lines = [trace(chart, f"run {i}").line for i in range(look.MOST_RUNS)]
    assert len({line.color for line in lines}) == len({line.dash for line in lines}) == look.MOST_RUNS


def test_the_legend_has_the_look_of_the_curves() -> None:
    legend = legend_chart([("run 0", 0), ("run 1", 1)])
    chart = curves_chart("loss", [curve(falling(), run=f"run {i}", place=i) for i in range(2)])
    for name in ("run 0", "run 1"):
        assert trace(legend, name).line == trace(chart, name).line


def test_a_legend_of_many_long_names_has_room_for_all() -> None:
    low, high = (legend_chart([(name * n, place) for place in range(8)]) for name, n in (("a", 2), ("a", 80)))
    assert high.figure.layout.height >= 8 * 20 > low.figure.layout.height


def test_smoothing_leaves_the_raw_curve_behind_and_none_leaves_it_alone() -> None:
    noisy = falling(noise=0.2)
    bare = curves_chart("loss", [curve(noisy)])
    np.testing.assert_allclose(points(trace(bare, "a")), np.c_[STEPS, noisy], rtol=1e-6)
    smooth = curves_chart("loss", [curve(noisy)], smoothing=0.9)
    np.testing.assert_allclose(points(trace(smooth, "a, each point")), np.c_[STEPS, noisy], rtol=1e-6)
    values = np.array(points(trace(smooth, "a")))[:, 1]
    assert np.abs(np.diff(values)).mean() < np.abs(np.diff(noisy)).mean() / 4


def test_times_of_day_are_dates_and_the_window_is_in_seconds() -> None:
    chart = curves_chart("loss", [curve(falling(), x=1e9 + STEPS)], axis="wall", window=(1e9, 1e9 + 50))
    assert chart.figure.layout.xaxis.type == "date"
    assert list(chart.figure.layout.xaxis.range) == [1e12, 1e12 + 50_000]
    assert [x for x, _ in points(trace(chart, "a"))][:3] == [1e12, 1e12 + 10_000, 1e12 + 20_000]


def test_what_lies_beside_a_window_does_not_flatten_what_is_in_it() -> None:
    value = falling()
    value[:20] = 1e6
    chart = curves_chart("loss", [curve(value)], window=(200.0, 400.0))
    assert chart.figure.layout.yaxis.range[1] < 4
    assert notes(chart) == []


def test_what_has_no_place_on_an_axis_is_counted_and_named() -> None:
    unknown = STEPS.astype(float)
    unknown[:3] = math.nan
    chart = curves_chart("loss", [curve(falling(), x=unknown)], axis="epoch")
    assert notes(chart) == ["3 points of unknown epoch not shown"]
    chart = curves_chart("loss", [curve(falling())], log_x=True)
    assert notes(chart) == ["1 point at 0 or before not shown"]
    assert points(trace(chart, "a"))[0][0] == 10
    chart = curves_chart("loss", [curve(falling() - 2.505)], log_y=True)
    assert sum(trace(chart, "a: 50 zero or negative").customdata) == 50


@pytest.mark.parametrize("window", [(-5.0, 100.0), (-5.0, -1.0)])
def test_a_logarithmic_axis_begins_above_zero_whatever_the_window(window: tuple[float, float]) -> None:
    chart = curves_chart("loss", [curve(falling())], log_x=True, window=window)
    if chart.figure.layout.xaxis.range is not None:
        assert np.isfinite(np.array(chart.figure.layout.xaxis.range, dtype=float)).all()


def test_nan_interrupts_and_is_counted() -> None:
    value = falling()
    value[50:60] = math.nan
    chart = curves_chart("loss", [curve(value)], smoothing=0.5)
    line = trace(chart, "a")
    assert not any(500 <= x <= 590 and not math.isnan(y) for x, y in zip(line.x, line.y, strict=True))
    assert sum(trace(chart, "a: 10 NaN").customdata) == 10
    assert "10 not finite" in chart.alt


def test_what_a_restart_replaced_is_dotted() -> None:
    step = np.concatenate((np.arange(100), np.arange(50, 150)))
    value = np.concatenate((np.full(100, 2.0), np.full(100, 1.0)))
    chart = curves_chart("loss", [curve(value, step=step)])
    assert {x for x, _ in points(trace(chart, "a, replaced"))} == set(range(51, 100))
    assert len(points(trace(chart, "a"))) == 150


def test_nothing_is_smoothed_or_joined_across_a_restart() -> None:
    series = Series("loss", STEPS, STEPS.astype(float), np.where(STEPS < 500, 0.0, 8.0))
    chart = curves_chart("loss", [Curve("a", 0, series, STEPS.astype(float), restarts=(500,))], smoothing=0.99)
    assert {y for _, y in points(trace(chart, "a"))} == {0.0, 8.0}
    line = trace(chart, "a")
    assert [x for x, y in zip(line.x, line.y, strict=True) if math.isnan(y)] == [500]


@pytest.mark.parametrize("curves", [[], [curve(np.full(100, math.nan), x=np.full(100, math.nan))]])
def test_where_nothing_can_be_drawn_the_chart_says_so(curves: list[Curve]) -> None:
    chart = curves_chart("loss", curves, axis="epoch")
    assert "no point has a place on the axis: epoch" in chart.alt


def test_names_from_the_log_are_text() -> None:
    chart: Chart = curves_chart("<b>loss</b>", [curve(falling(), run="<a href=x>")], smoothing=0.5)
    assert not any("<" in text for text in (*names(chart), chart.figure.layout.title.text))
    assert not any("<" in name for name in names(legend_chart([("<a href=x>", 3)])))
