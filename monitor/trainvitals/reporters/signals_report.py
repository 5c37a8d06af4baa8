"""What was found in a run, and how each tag was understood."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainvitals.model import Run
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible
from trainvitals.signals import Role, Signals

# Per-layer tags come in hundreds and are understood alike; of each kind only this many are listed.
TAGS_SHOWN_A_ROLE = 6


def print_signals(run: Run, signals: Signals, console: Console) -> None:
    """A table of roles and tags, with points, steps and the reason for each."""
    steps = (
        "" if run.last_step is None else f", steps {wording.step(run.first_step or 0)} to {wording.step(run.last_step)}"
    )
    console.print(Text(f"{visible(run.id)}  ({run.format}, {run.points:,} points{steps})", style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("ROLE", "TAG", "POINTS", "STEPS", "WHY"):
        table.add_column(column, overflow="fold", justify="right" if column == "POINTS" else "left")
    shown: Counter[str] = Counter()
    for role in signals.roles:
        shown[role.role] += 1
        if shown[role.role] <= TAGS_SHOWN_A_ROLE:
            table.add_row(*_row(run, role))
    console.print(table)
    for name, count in shown.items():
        if count > TAGS_SHOWN_A_ROLE:
            console.print(Text(f"{name}: {count - TAGS_SHOWN_A_ROLE} more tags", style="dim"))
    if not signals.supervised:
        console.print(Text(f"Not a supervised loss: {visible(signals.why_not_supervised)}"))
    console.print()


def _row(run: Run, role: Role) -> tuple[Text, ...]:
    series = run.series.get(role.tag) or run.histograms.get(role.tag)
    points = "" if series is None else f"{len(series):,}"
    steps = ""
    if series is not None and len(series):
        steps = f"{wording.step(int(series.step.min()))} to {wording.step(int(series.step.max()))}"
    cells = (role.role, visible(role.tag, longest=60), points, steps, visible(role.why))
    return tuple(Text(cell) for cell in cells)
