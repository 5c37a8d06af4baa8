"""The processes of one training side by side: who is slower, who is waited for, and who holds other weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from trainvitals import tags
from trainvitals.figures import look
from trainvitals.figures.chart import Chart
from trainvitals.figures.layer_figures import heatmap_chart
from trainvitals.figures.line_traces import compact
from trainvitals.figures.points import Window
from trainvitals.figures.rank_records import apart, of_ranks, over_median
from trainvitals.figures.system_lines import STEP_AXIS, add_bands, add_line, empty_figure, finish, latest, seconds
from trainvitals.model import Finding, LayerSeries, Run, Series
from trainvitals.reporters import wording

MOST_LINES = look.MOST_RUNS


def ranks_chart(run: Run, *, findings: Sequence[Finding] = (), window: Window | None = None) -> Chart | None:
    """By how much a step of each process took longer than that of the median one; None below two processes."""
    found = of_ranks(run, tags.STEP_TIME_S)
    if found is None:
        return None
    ranks = over_median(found)
    return Chart(_rank_lines(run, ranks, "over the median rank [%]", findings, window, unit=" %"), _slowest(ranks))


def communication_chart(run: Run, *, findings: Sequence[Finding] = (), window: Window | None = None) -> Chart | None:
    """How long each process was in communication, which holds its waiting for slower ones; None below two processes."""
    ranks = of_ranks(run, tags.COMMUNICATION_TIME_S)
    if ranks is None:
        return None
    now = [latest(column) for column in ranks.value.T]
    least = int(np.nanargmin(now)) if np.isfinite(now).any() else 0
    said = (
        f"Of {len(ranks.layers)} ranks, {ranks.layers[least]} communicates least: {seconds(now[least])}, the median "
        f"{seconds(float(np.nanmedian(now)))}. Who communicates least is who others wait for."
    )
    return Chart(_rank_lines(run, ranks, "communication [s]", findings, window, unit="s"), said)


def weights_apart_chart(run: Run, *, window: Window | None = None) -> Chart | None:
    """At which steps which process held other weights than most; None where that was not recorded.

    Where all of them always agree the figure is empty of marks, which the words say.
    """
    ranks = of_ranks(run, tags.PARAMETER_CHECKSUM)
    if ranks is None:
        return None
    differs = apart(ranks)
    figure = empty_figure()
    step, column = np.nonzero(differs)
    figure.add_scatter(
        x=compact(ranks.step[step]),
        y=column,
        mode="markers",
        marker={"symbol": "square", "size": 8, "color": look.VERMILION},
        name="other weights than most ranks",
        hovertemplate="%{y}",
    )
    figure.update_layout(xaxis=STEP_AXIS | {"range": _ends(ranks.step) if window is None else list(window)})
    figure.update_yaxes(
        range=[len(ranks.layers) - 0.5, -0.5], tickvals=list(range(len(ranks.layers))), ticktext=list(ranks.layers)
    )
    if not differs.any():
        return Chart(figure, f"All {len(ranks.layers)} ranks held the same weights at every record.")
    first = int(np.argmax(differs.any(axis=1)))
    who = [name for index, name in enumerate(ranks.layers) if differs[first:, index].any()]
    named = ", ".join(who[:MOST_LINES]) + (f" and {len(who) - MOST_LINES} more" if len(who) > MOST_LINES else "")
    return Chart(
        figure, f"From step {wording.step(int(ranks.step[first]))} on, other weights than most ranks: {named}."
    )


def _rank_lines(
    run: Run, ranks: LayerSeries, title: str, findings: Sequence[Finding], window: Window | None, *, unit: str
) -> go.Figure:
    """Up to eight processes as lines, more as the rows of a heatmap."""
    if len(ranks.layers) > MOST_LINES:
        return heatmap_chart(LayerSeries(title, ranks.layers, ranks.step, ranks.value), window=window).figure
    figure = empty_figure()
    scales = [
        add_line(
            figure,
            Series(name, ranks.step, np.full(len(ranks.step), np.nan), ranks.value[:, column]),
            colour=look.RUN_COLOURS[column],
            dash=look.RUN_DASHES[column],
            window=window,
            unit=unit,
        )
        for column, name in enumerate(ranks.layers)
    ]
    finish(figure, scales, title, window, from_zero=unit == "s")
    add_bands(figure, run, findings, {ranks.kind, tags.STEP_TIME_S})
    return figure


def _ends(step: NDArray[np.int64]) -> list[float]:
    return [float(step[0]) - 0.5, float(step[-1]) + 0.5]


def _slowest(ranks: LayerSeries) -> str:
    now = np.array([latest(column) for column in ranks.value.T])
    known = np.flatnonzero(np.isfinite(now))
    if len(known) == 0:
        return f"{len(ranks.layers)} ranks; nothing to compare."
    slowest = int(known[np.argmax(now[known])])
    longest = f"{ranks.layers[slowest]} takes longest: {now[slowest]:+.1f} % over the median rank"
    return f"Of {len(ranks.layers)} ranks, {longest}."
