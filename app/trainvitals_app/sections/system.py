"""What the machine did: where the time of a step went, how fast, how much memory, and how processes differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import streamlit as st

from trainvitals import tags
from trainvitals.figures.chart import Chart
from trainvitals.figures.rank_figures import communication_chart, ranks_chart, weights_apart_chart
from trainvitals.figures.system_figures import memory_chart, overhead_chart, step_time_chart, throughput_chart
from trainvitals_app import address, charts, text
from trainvitals_app.sections.shown import Shown

TITLE = "System"

# Of findings: rules about the machine.
FAMILY = "SYS"


def has_signals(shown: Shown) -> bool:
    """Whether times, throughput or memory were logged."""
    signals = shown.signals
    return bool(signals.step_time or signals.throughput or signals.memory) or tags.OVERHEAD_PERCENT in shown.run.series


def section(shown: Shown) -> None:
    """Draw the section: what has many parts over the whole width, the rest two a row."""
    drawn = list(_charts(shown))
    wide = [(key, title, chart) for key, title, chart in drawn if key == "step-time" and len(chart.figure.data) > 1]
    narrow = [each for each in drawn if each not in wide]
    for each in wide:
        _chart(*each, with_reset=True)
    for place in range(0, len(narrow), 2):
        for column, each in zip(st.columns(2, gap="medium"), narrow[place : place + 2], strict=False):
            with column:
                _chart(*each, with_reset=not wide and place == 0)


def _chart(key: str, title: str, chart: Chart, *, with_reset: bool) -> None:
    st.markdown(f"**{title}**  \n{text.markdown(chart.alt)}")
    charts.show(chart, f"system-{key}", with_reset=with_reset)


def _charts(shown: Shown) -> Iterator[tuple[str, str, Chart]]:
    """Key, title and chart of all that was recorded, what is looked at most first."""
    run, signals = shown.run, shown.signals
    findings = () if shown.diagnosis is None else shown.diagnosis.open_findings
    drawn: dict[str, Any] = {
        "findings": [finding for finding in findings if finding.code.startswith(FAMILY)],
        "window": address.STEPS.get(),
    }
    for key, title, chart in (
        ("step-time", "Time of a step", step_time_chart(run, signals, **drawn)),
        ("ranks", "Time of a step, by rank", ranks_chart(run, **drawn)),
        ("communication", "Communication, by rank", communication_chart(run, **drawn)),
        ("weights", "Weights, by rank", weights_apart_chart(run, window=drawn["window"])),
        ("throughput", "Throughput", throughput_chart(run, signals, **drawn)),
        ("memory", "Memory", memory_chart(run, signals, **drawn)),
        ("overhead", "Cost of recording", overhead_chart(run, window=drawn["window"])),
    ):
        if chart is not None:
            yield key, title, chart
