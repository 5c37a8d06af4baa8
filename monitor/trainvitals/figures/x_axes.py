"""Over what a curve is drawn: steps, epochs, the time since the run began, the time of day, tokens."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from trainvitals.figures import look
from trainvitals.figures.points import Floats, Window
from trainvitals.model import Run, Series
from trainvitals.signals import Signals

AxisKind = Literal["step", "epoch", "relative", "wall", "tokens"]
AXIS_KINDS: tuple[AxisKind, ...] = get_args(AxisKind)

AXIS_TITLES: dict[AxisKind, str] = {
    "step": "step",
    "epoch": "epoch",
    "relative": "time since the run began",
    "wall": "time of day (UTC)",
    "tokens": "tokens",
}

MILLISECONDS = 1000.0
# Lengths of time that a person divides a duration into, in seconds.
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TICKS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 5, 7, 14, 30, 60, 90, 180, 365)),
)
MOST_TICKS = 7
# A date of which only the order of magnitude is right makes an axis of centuries.
LATEST_S = 4e9


def available(run: Run, signals: Signals) -> tuple[AxisKind, ...]:
    """The axes over which this run's curves can be drawn."""
    longest = max(run.series.values(), key=len, default=None)
    return tuple(
        kind for kind in AXIS_KINDS if longest is not None and (places(run, signals, longest, kind) is not None)
    )


def places(run: Run, signals: Signals, series: Series, kind: AxisKind) -> Floats | None:
    """Where on the axis each of the ``[T]`` points stands; NaN where it is not known, None where it is for none.

    Times are in seconds, the time of day since the epoch. Epochs and tokens are those that the run recorded at these
    steps, or in between; nothing is said of steps far before the first or after the last of them.
    """
    if kind == "step":
        return series.step.astype(np.float64)
    if kind in ("relative", "wall"):
        times = np.where(series.wall_time < LATEST_S, series.wall_time, np.nan)
        begin = 0.0 if kind == "wall" else _begin_s(run)
        return times - begin if np.isfinite(times).any() and np.isfinite(begin) else None
    recorded = [run.series[tag].latest().finite() for tag in (signals.epoch if kind == "epoch" else signals.tokens)]
    counted = next((each for each in recorded if len(each) > 1), None)
    if counted is None:
        return None
    found = _between(np.asarray(series.step, np.float64), counted.step.astype(np.float64), _wide(counted))
    return found if np.isfinite(found).any() else None


def axis_layout(kind: AxisKind, shown: Window, *, log: bool) -> dict[str, Any]:
    """The layout of plotly's axis that shows this range, which is in the unit of the axis."""
    title = {"text": AXIS_TITLES[kind], "font": {"size": look.SMALL_FONT_SIZE}, "standoff": 6}
    layout: dict[str, Any] = {"title": title}
    if kind == "wall":
        return layout | {"type": "date", "range": [end * MILLISECONDS for end in shown]}
    if log:
        return layout | {"type": "log", "range": [float(np.log10(end)) for end in shown]}
    layout["range"] = list(shown)
    if kind == "relative":
        ticks = _duration_ticks(shown)
        return layout | {"tickvals": ticks, "ticktext": [duration(tick) for tick in ticks], "ticksuffix": " s"}
    return layout | ({"tickformat": ",d"} if kind == "step" else {})


def duration(seconds: float) -> str:
    """``1 d 2 h``, ``3 h 30 min``, ``90 s``: the two largest units that count."""
    for unit, name, smaller, smaller_name in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min")):
        if seconds >= unit:
            whole, rest = divmod(round(seconds / smaller), unit // smaller)
            return f"{whole} {name}{f' {rest} {smaller_name}' if rest else ''}"
    if seconds >= 2 * _MINUTE:
        whole, rest = divmod(round(seconds), _MINUTE)
        return f"{whole} min{f' {rest} s' if rest else ''}"
    return f"{seconds:g} s"


def _begin_s(run: Run) -> float:
    """When the run's first value was recorded."""
    first = [float(np.nanmin(each.wall_time)) for each in run.series.values() if np.isfinite(each.wall_time).any()]
    return min(first, default=float("nan"))


def _between(step: Floats, at: Floats, count: Floats) -> Floats:
    """The count ``[M]`` recorded ``at`` some steps, at others: in between, and as far beyond as two records lie apart.

    It goes on at its mean pace there.
    """
    apart = float(np.median(np.diff(at)))
    pace = (count[-1] - count[0]) / (at[-1] - at[0])
    found = np.interp(step, at, count)
    found = np.where(step < at[0], count[0] + pace * (step - at[0]), found)
    found = np.where(step > at[-1], count[-1] + pace * (step - at[-1]), found)
    known = (step >= at[0] - apart) & (step <= at[-1] + apart)
    return np.where(known, found, np.nan)


def _wide(series: Series) -> Floats:
    return np.asarray(series.value, dtype=np.float64)


def _duration_ticks(shown: Window) -> list[float]:
    length = shown[1] - shown[0]
    apart = next((tick for tick in _TICKS_S if length / tick <= MOST_TICKS), length)
    first = np.ceil(max(shown[0], 0.0) / apart) * apart
    return [float(tick) for tick in np.arange(first, shown[1] + apart / 1e6, apart)]
