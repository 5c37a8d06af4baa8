"""What a person reads while a run is followed: one line a change, and one line for how things stand."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from trainvitals.model import Diagnosis, Finding, Severity, Status
from trainvitals.reporters import wording
from trainvitals.reporters.run_block import STATUS_STYLES
from trainvitals.reporters.visible import visible

if TYPE_CHECKING:
    from trainvitals.live.changes import Change

_SEVERITY_STYLES = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_LONGEST_NAME = 36


def change_text(change: Change, *, name_run: bool) -> Text:
    """``14:03:22  step 12,400  opened    warning  plateau since step 3,100 (very likely): …``

    Args:
        change: what to tell.
        name_run: put the run's name in front.
    """
    line = Text()
    if name_run:
        line.append(f"{visible(change.run, longest=_LONGEST_NAME)}  ", style="bold")
    step = "no step" if change.step is None else f"step {wording.step(change.step)}"
    line.append(f"{time.strftime('%H:%M:%S', time.localtime(change.wall_time))}  {step}  ", style="dim")
    is_resolved = change.kind == "resolved"
    style = "green" if is_resolved else _SEVERITY_STYLES[change.finding.severity]
    line.append(f"{change.kind:<8}  ", style=style)
    line.append(f"{change.finding.severity:<7}  ", style="dim" if is_resolved else style)
    line.append(_what(change), style="dim" if change.finding.severity is Severity.INFO else "")
    return line


def verdict(diagnosis: Diagnosis) -> str:
    """``sick: plateau since step 3,100 (very likely), and 2 more findings``."""
    worst = wording.worst_open_finding(diagnosis)
    if worst is not None:
        said = wording.finding_headline(worst)
    elif diagnosis.status is Status.UNDETERMINED and diagnosis.open_findings:
        said = visible(diagnosis.open_findings[0].summary)
    else:
        said = wording.progress_sentence(diagnosis)
    more = sum(finding.severity is not Severity.INFO for finding in diagnosis.open_findings) - 1
    accepted = sum(finding.state == "accepted" for finding in diagnosis.findings)
    return "".join(
        (
            f"{wording.STATUS_WORDS[diagnosis.status]}: {said}",
            f", and {more} more finding{'s' * (more > 1)}" if more > 0 else "",
            f"; {accepted} accepted" if accepted else "",
        )
    )


def status_text(diagnoses: Sequence[Diagnosis], *, idle_s: float, left_out: int) -> Text:
    """How things stand, in one line: the one run's verdict, or how many runs are sick."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if len(diagnoses) == 1:
        _add_run(line, diagnoses[0])
    else:
        count = Counter(wording.STATUS_WORDS[diagnosis.status] for diagnosis in diagnoses)
        line.append(f"{len(diagnoses)} runs: " + ", ".join(f"{count[word]} {word}" for word in count))
    accepted = sum(finding.state == "accepted" for diagnosis in diagnoses for finding in diagnosis.findings)
    if accepted:
        line.append(f" · {accepted} accepted")
    if left_out:
        line.append(f" · {left_out} older runs left out")
    line.append(f" · last grew {wording.number(round(idle_s))} s ago", style="dim")
    return line


def _add_run(line: Text, diagnosis: Diagnosis) -> None:
    line.append(f"{wording.run_name(diagnosis)}  ", style="bold")
    line.append(f"● {wording.STATUS_WORDS[diagnosis.status]}", style=STATUS_STYLES[diagnosis.status])
    if diagnosis.last_step is not None:
        line.append(f"  step {wording.step(diagnosis.last_step)}")
    worst = wording.worst_open_finding(diagnosis)
    line.append(f"  {wording.progress_sentence(diagnosis) if worst is None else wording.finding_headline(worst)}")
    if diagnosis.status is Status.HEALTHY and diagnosis.progress.level is not None:
        line.append(f", loss {wording.number(diagnosis.progress.level)}")


def _what(change: Change) -> str:
    finding = change.finding
    headline = wording.finding_headline(finding)
    if change.kind == "resolved":
        remains = f": now only a note, {visible(finding.summary)}" if finding.severity is Severity.INFO else ""
        was_a_note = change.before is not None and change.before.severity is Severity.INFO
        return f"{headline}{'' if was_a_note else remains}"
    was = "" if change.before is None else f", was {_stood(change.before, finding)}"
    return f"{headline}{was}: {visible(finding.summary)}"


def _stood(before: Finding, now: Finding) -> str:
    return before.likelihood if before.severity is now.severity else before.severity.value
