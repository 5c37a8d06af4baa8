"""One loss as lines: each point, the moving average, what a restart replaced, and what is not finite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from trainvitals.figures import look
from trainvitals.figures.line_traces import edge_traces, line_trace, positive_only
from trainvitals.figures.points import MOST_POINTS, Drawn, Floats, Window, drawn, smoothed
from trainvitals.figures.value_range import value_range
from trainvitals.maths.noise import difference_noise_sd
from trainvitals.model import Series
from trainvitals.view import LossCurve

# The moving average spans this share of the points: half of it is how far the average lags behind.
SMOOTHED_SHARE = 1 / 100
# Fewer points are not smoothed, nor is a curve whose noise is less than this share of its height: the average would
# only lag behind what can be read as it is.
FEWEST_SMOOTHED = 100
READABLE_NOISE = 0.01

REPLACED_OPACITY = 0.6


def loss_lines(
    figure: go.Figure,
    loss: LossCurve,
    series: Series,
    *,
    name: str,
    colour: str,
    dash: str = "solid",
    window: Window | None,
    log_y: bool,
    edge_axis: str,
    limit: int = MOST_POINTS,
) -> list[Drawn]:
    """Draw one loss, smoothed where it has points enough.

    Args:
        series: the loss as it was logged, with what a restart replaced later.
        name: safe for plotly.
        edge_axis: where points stand that are not finite.
        limit: of the points of one line.

    Returns:
        What of it is to be seen whole.
    """
    recorded = loss.recorded
    value = _value(recorded, log_y)
    breaks = breaks_at(recorded, loss.restarts)
    raw = drawn(recorded.step, value, window=window, breaks=breaks, limit=limit)
    lines = [raw]
    gone = replaced(series)
    if len(gone):
        old = drawn(gone.step, _value(gone, log_y), window=window, limit=limit)
        faint = look.faint(colour, REPLACED_OPACITY)
        figure.add_trace(line_trace(old, name=f"{name}, replaced by a restart", colour=faint, dash="dot"))
        lines.append(old)
    weight = smoothing_for(np.asarray(loss.curve.value, dtype=np.float64))
    if weight is None:
        figure.add_trace(line_trace(raw, name=name, colour=colour, dash=dash))
    else:
        mean = smoothed(value, weight, breaks) if log_y else _mean_of_near(value, weight, breaks)
        average = drawn(recorded.step, mean, window=window, breaks=breaks, limit=limit)
        faint = look.faint(colour, look.RAW_OPACITY)
        figure.add_trace(line_trace(raw, name=f"{name}, each point", colour=faint, showlegend=False))
        figure.add_trace(line_trace(average, name=name, colour=colour, dash=dash, hovertemplate="%{y:.5g} (smoothed)"))
    figure.add_traces(list(edge_traces(raw, name=name, colour=colour, axis=edge_axis, log=log_y)))
    return lines


def smoothing_for(value: Floats) -> float | None:
    """The weight of the past that makes ``[T]`` finite values readable; None where they are so already."""
    ends = value_range([value])
    if len(value) < FEWEST_SMOOTHED or ends is None:
        return None
    noise = difference_noise_sd(value)
    return 1 - 2 / (len(value) * SMOOTHED_SHARE + 1) if noise > READABLE_NOISE * (ends.high - ends.low) else None


def _mean_of_near(value: Floats, weight: float, breaks: NDArray[np.bool_]) -> Floats:
    """The average of the values that the axis has room for; the others as they are.

    A spike far beyond the axis would lift the average for long after it.
    """
    ends = value_range([value[np.isfinite(value)]])
    if ends is None:
        return smoothed(value, weight, breaks)
    is_near = (value >= ends.low) & (value <= ends.high)
    return np.where(is_near, smoothed(np.where(is_near, value, np.nan), weight, breaks), value)


def breaks_at(series: Series, restarts: Sequence[int]) -> NDArray[np.bool_]:
    """``[T]`` the points with which a series of increasing steps goes on after a restart."""
    breaks = np.zeros(len(series), dtype=bool)
    begins = np.searchsorted(series.step, np.asarray(restarts, dtype=np.int64))
    breaks[begins[begins < len(series)]] = True
    return breaks


def replaced(series: Series) -> Series:
    """What was recorded at steps that a restart went back behind; a step logged twice in a row is no such thing."""
    if len(series) < 2:
        return series.take(slice(0, 0))
    smallest_later = np.minimum.accumulate(series.step[::-1])[::-1]
    return series.take(series.step > smallest_later)


def _value(series: Series, log_y: bool) -> Floats:
    return positive_only(series.value) if log_y else np.asarray(series.value, dtype=np.float64)
