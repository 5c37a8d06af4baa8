"""Many runs in one table, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from trainvitals.model import Diagnosis, Status
from trainvitals.reporters import wording
from trainvitals.reporters.run_block import STATUS_STYLES
from trainvitals.reporters.visible import visible

LONGEST_NAME = 36
# A rule's name is for searching: it is not broken in two where the line can be broken elsewhere.
LONGEST_RULE = len("learning-rate-exhausted")
WIDEST_PROGRESS = 16
_ORDER = (Status.ERROR, Status.WARNING, Status.UNDETERMINED, Status.HEALTHY)


def run_table(diagnoses: Sequence[Diagnosis]) -> Table:
    """One row a run: status, what and why, since when, progress."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("RUN", no_wrap=True)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("WHAT", overflow="fold", min_width=LONGEST_RULE)
    table.add_column("SINCE", justify="right", no_wrap=True)
    table.add_column("LOSS", justify="right", no_wrap=True)
    table.add_column("PROGRESS", max_width=WIDEST_PROGRESS)
    for diagnosis in worst_first(diagnoses):
        table.add_row(*(_row(diagnosis)))
    return table


def worst_first(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """The runs as they are listed: the sick ones, those that cannot be judged, the healthy ones; each by their ids."""
    return sorted(diagnoses, key=lambda diagnosis: (_ORDER.index(diagnosis.status), diagnosis.id))


def _row(diagnosis: Diagnosis) -> tuple[Text, ...]:
    worst = wording.worst_open_finding(diagnosis)
    level = wording.loss_level(diagnosis)
    return (
        Text(wording.run_name(diagnosis, longest=LONGEST_NAME)),
        Text(f"● {wording.STATUS_WORDS[diagnosis.status]}", style=STATUS_STYLES[diagnosis.status]),
        Text(what(diagnosis)),
        Text("" if worst is None or worst.first_step is None else wording.step(worst.first_step)),
        Text("" if level is None else wording.number(level)),
        Text(wording.progress_word(diagnosis)),
    )


def what(diagnosis: Diagnosis) -> str:
    """The worst finding, its cause, and how many more there are; of a run that is well, the names of its notes."""
    worst = wording.worst_open_finding(diagnosis)
    if worst is None:
        names = [visible(finding.name) for finding in diagnosis.open_findings]
        return ", ".join(dict.fromkeys(names))
    others = sum(1 for finding in diagnosis.open_findings if finding is not worst and finding.severity != "info")
    more = f" + {others} more" if others else ""
    cause = wording.cause_of(diagnosis)
    return f"{worst.name}{f' ← {cause}' if cause else ''}{more}"
