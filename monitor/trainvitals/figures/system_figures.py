"""What the machine did: where the time of a step went, how fast it was, and what it held."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.line_traces import compact
from trainvitals.figures.points import Window, drawn
from trainvitals.figures.system_lines import NAMES, add_bands, add_line, empty_figure, finish, latest, seconds
from trainvitals.model import Finding, Run, Series
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible
from trainvitals.signals import Signals

MOST_LINES = 8
# Without a legend.
ONE_LINE_PX = 230

PARTS = (
    (tags.DATA_TIME_S, "waiting for data", look.ORANGE, "/"),
    (tags.FORWARD_TIME_S, "forward", look.SKY, ""),
    (tags.BACKWARD_TIME_S, "backward", look.BLUE, ""),
    (tags.OPTIMIZER_TIME_S, "optimizer", look.GREEN, ""),
)
"""Of the recorded step, in their order; communication is inside of the backward pass."""

STEP_TAGS = {tags.STEP_TIME_S, tags.COMMUNICATION_TIME_S, *(tag for tag, *_ in PARTS)}
OWN_BYTES = (tags.MEMORY_BYTES, tags.ACCELERATOR_MEMORY_BYTES)

Floats = NDArray[np.float64]


def step_time_chart(
    run: Run, signals: Signals, *, findings: Sequence[Finding] = (), window: Window | None = None
) -> Chart | None:
    """Where the time of the recorded steps went, stacked, and what a step took on average; None without any time.

    Args:
        findings: those about the machine; where they hold is a band.
        window: the first and the last step to draw, all if None.
    """
    parts = _parts(run)
    whole = [run.series[tag].latest() for tag in signals.step_time if not _is_of_a_rank(tag)][:MOST_LINES]
    if parts is None and not whole:
        return None
    figure = empty_figure()
    said: list[str] = []
    scales: list[Floats] = []
    if parts is not None:
        step, values = parts
        total = np.sum(list(values.values()), axis=0)
        scales.append(total)
        line = drawn(step, total, window=window)
        at = np.searchsorted(step, line.x[~np.isnan(line.y)])
        for tag, name, colour, pattern in PARTS:
            if tag in values:
                figure.add_scatter(
                    x=compact(step[at]),
                    y=compact(values[tag][at]),
                    stackgroup="step",
                    mode="lines",
                    line={"width": 0.5, "color": colour},
                    fillcolor=look.faint(colour, 0.55),
                    fillpattern={"shape": pattern, "fgcolor": colour, "size": 5, "solidity": 0.2},
                    name=name,
                    hovertemplate="%{y:.3s}s",
                )
                said.append(f"{latest(values[tag]) / max(latest(total), 1e-12):.0%} {name}")
    for place, series in enumerate([*whole, *_recorded(run, tags.COMMUNICATION_TIME_S)]):
        colour = look.GREY if parts is not None else look.RUN_COLOURS[place]
        dash = "dot" if series.tag == tags.COMMUNICATION_TIME_S else "solid"
        scales.append(
            add_line(figure, series, colour=colour, dash=dash, window=window, unit="s" if _in_s(series) else "")
        )
    title = "time of a step" + (" [s]" if all(_in_s(series) for series in whole) else "")
    finish(figure, scales, title, window, from_zero=True)
    add_bands(figure, run, findings, {*STEP_TAGS, *(series.tag for series in whole)})
    if len(figure.data) == 1:
        figure.update_layout(showlegend=False, height=ONE_LINE_PX)
    takes = [f"a step takes {seconds(latest(series.value))}" for series in whole if _in_s(series)][:1]
    split = [f"of the recorded steps {', '.join(said)}"] if said else []
    return Chart(figure, _sentence("; ".join([*takes, *split]) or f"{len(whole)} times of steps"))


def throughput_chart(
    run: Run, signals: Signals, *, findings: Sequence[Finding] = (), window: Window | None = None
) -> Chart | None:
    """How much was done a second, as it was logged; None where it was not."""
    logged = [run.series[tag].latest() for tag in signals.throughput if not _is_of_a_rank(tag)][:MOST_LINES]
    return _lines(run, logged, "throughput", findings, window)


def memory_chart(
    run: Run, signals: Signals, *, findings: Sequence[Finding] = (), window: Window | None = None
) -> Chart | None:
    """What was held, as it was logged: bytes where we recorded it; None where it was not."""
    logged = [run.series[tag].latest() for tag in signals.memory if not _is_of_a_rank(tag)][:MOST_LINES]
    own = bool(logged) and all(series.tag in OWN_BYTES for series in logged)
    return _lines(run, logged, "memory" + (" [bytes]" if own else ""), findings, window, unit="B" if own else "")


def overhead_chart(run: Run, *, window: Window | None = None) -> Chart | None:
    """What recording cost, in percent of the training's own time; None where nobody measured it."""
    return _lines(run, _recorded(run, tags.OVERHEAD_PERCENT), "cost of recording [%]", (), window, unit=" %")


def _parts(run: Run) -> tuple[NDArray[np.int64], dict[str, Floats]] | None:
    """The parts of the recorded steps: ``[T]`` each, at the steps at which all of them are finite."""
    found = {tag: run.series[tag].latest().finite() for tag, *_ in PARTS if tag in run.series}
    found = {tag: series for tag, series in found.items() if len(series)}
    if len(found) < 2:
        return None
    step: NDArray[np.int64] = reduce(_common, [series.step for series in found.values()])
    if len(step) == 0:
        return None
    return step, {
        tag: series.value[np.searchsorted(series.step, step)].astype(np.float64) for tag, series in found.items()
    }


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The steps that both have; mostly both have the same."""
    return one if np.array_equal(one, other) else np.intersect1d(one, other, assume_unique=True)


def _lines(
    run: Run,
    logged: Sequence[Series],
    title: str,
    findings: Sequence[Finding],
    window: Window | None,
    *,
    unit: str = "",
) -> Chart | None:
    logged = [series for series in logged if len(series)]
    if not logged:
        return None
    figure = empty_figure()
    scales = [
        add_line(figure, series, colour=look.RUN_COLOURS[place], dash=look.RUN_DASHES[place], window=window, unit=unit)
        for place, series in enumerate(logged)
    ]
    finish(figure, scales, title, window, from_zero=True)
    add_bands(figure, run, findings, {series.tag for series in logged})
    if len(logged) == 1:
        figure.update_layout(showlegend=False, height=ONE_LINE_PX)
    return Chart(figure, _sentence("; ".join(_now(series, unit) for series in logged)))


def _recorded(run: Run, tag: str) -> list[Series]:
    return [run.series[tag].latest()] if tag in run.series and len(run.series[tag]) else []


def _is_of_a_rank(tag: str) -> bool:
    return tag.startswith("system/rank")


def _in_s(series: Series) -> bool:
    return series.tag in tags.TAGS


def _now(series: Series, unit: str) -> str:
    value = latest(series.value)
    if unit == "B":
        amount = f"{wording.number(value / 1e9)} GB" if value >= 1e9 else f"{wording.number(value / 1e6)} MB"
    else:
        amount = (f"{value:,.0f}" if abs(value) >= 1000 else wording.number(value)) + unit
    return f"{visible(NAMES.get(series.tag, series.tag), longest=60)}: {amount}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
