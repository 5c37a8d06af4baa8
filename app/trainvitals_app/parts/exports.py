"""What can be taken away of a run: its report, and the numbers of its losses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from trainvitals.figures.loss_figure import loss_chart
from trainvitals.model import Run
from trainvitals.reporters.html_report import render_html
from trainvitals.reporters.markdown_report import render_markdown
from trainvitals.signals import Signals
from trainvitals_app.parts import several_runs
from trainvitals_app.parts.scalars_csv import scalars_csv
from trainvitals_app.runs.open_runs import Snapshot


@dataclass(frozen=True, slots=True)
class Export:
    """One file that can be saved.

    Args:
        title: what the button says.
        ending, mime: of the file.
        content: makes it of the run, once somebody asks for it.
    """

    title: str
    ending: str
    mime: str
    content: Callable[[Snapshot], str | bytes]


def show(shown: Snapshot) -> None:
    """Draw the button that unfolds them. Not in a part that is refreshed: a click on what is drawn anew is lost."""
    newest = several_runs.newest([shown])
    with st.popover("Save", icon=":material/download:", key="exports"):
        for export in EXPORTS:
            st.download_button(
                export.title,
                partial(_content, export, newest),
                f"{file_name(shown.run)}.{export.ending}",
                export.mime,
                key=f"export-{export.ending}",
                on_click="ignore",
                type="tertiary",
            )


def _content(export: Export, newest: Callable[[], tuple[Snapshot, ...]]) -> str | bytes:
    (shown,) = newest()
    return export.content(shown)


def _html(shown: Snapshot) -> str:
    chart = loss_chart(shown.run, shown.signals, shown.diagnosis)
    return render_html([shown.diagnosis], {shown.diagnosis.id: chart})


def losses_csv(run: Run, signals: Signals) -> bytes:
    """The losses and learning rates as they were logged."""
    tags = dict.fromkeys([*signals.train_loss, *signals.val_loss.values(), *signals.learning_rate])
    return scalars_csv((run.id, run.series[tag]) for tag in tags if tag in run.series)


def file_name(run: Run) -> str:
    """The run's id as the name of a file."""
    return re.sub(r"[^\w.-]+", "-", run.id, flags=re.ASCII).strip("-.")[-80:] or "run"


EXPORTS = (
    Export("Report (HTML)", "html", "text/html", _html),
    Export("Report (Markdown)", "md", "text/markdown", lambda shown: render_markdown([shown.diagnosis])),
    Export("Losses (CSV)", "csv", "text/csv", lambda shown: losses_csv(shown.run, shown.signals)),
)
"""All files that can be saved of a run."""
