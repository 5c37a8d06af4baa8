"""The runs in a list: which of them are shown, in which order, and what stands in each cell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from trainvitals.model import Diagnosis, Severity, Status
from trainvitals.reporters import wording
from trainvitals.reporters.signs import SEVERITY_SIGNS
from trainvitals.reporters.visible import visible
from trainvitals_app.runs.listing import RunRow

if TYPE_CHECKING:
    import pandas

SICK, HEALTHY, UNKNOWN, WAITING, UNREADABLE = "sick", "healthy", "cannot tell yet", "waiting", "unreadable"
STATES = (SICK, UNKNOWN, HEALTHY, WAITING, UNREADABLE)
"""What a run can be filtered by, in the words of the reports."""

# A sign and a word in each cell; colour comes on top of them.
_SICK_UNTO_DEATH, _SICK = "✖ sick", "▲ sick"
CELLS = {
    _SICK_UNTO_DEATH: "red",
    _SICK: "orange",
    "? cannot tell yet": "gray",
    "✔ healthy": "green",
    "… waiting": "blue",
    "⊘ unreadable": "gray",
}
_ORDER = (Status.ERROR, Status.WARNING, Status.UNDETERMINED, Status.HEALTHY)
NOTE = SEVERITY_SIGNS[Severity.INFO]
LONGEST_NAME = 48
# A name that is no longer has room in the list also on a narrow screen.
FITS = 22


def state_of(row: RunRow) -> str:
    """One of ``STATES``."""
    if row.summary is None:
        return UNREADABLE if row.state == "unreadable" else WAITING
    return wording.STATUS_WORDS[row.summary.diagnosis.status]


def counts(rows: Iterable[RunRow]) -> dict[str, int]:
    """How many runs are in each state, those that are there at all, in the order of ``STATES``."""
    states = [state_of(row) for row in rows]
    return {state: states.count(state) for state in STATES if state in states}


def matching(rows: Iterable[RunRow], words: str, states: Sequence[str]) -> list[RunRow]:
    """The rows in one of these states whose name, path, findings or causes hold every word.

    Args:
        rows: of the list.
        words: separated by blanks; upper and lower case are the same; empty for all.
        states: of ``STATES``; none for all.
    """
    wanted = words.casefold().split()
    chosen = [row for row in rows if not states or state_of(row) in states]
    return [row for row in chosen if not wanted or all(word in _searched(row) for word in wanted)]


def worst_first(rows: Iterable[RunRow]) -> list[RunRow]:
    """The rows as a person should read them: what is worst and surest on top, what is not known yet at the bottom."""
    return sorted(rows, key=_badness)


def sickest(rows: Iterable[RunRow]) -> list[RunRow]:
    """The sick ones, the worst first."""
    return [row for row in worst_first(rows) if state_of(row) == SICK]


def by_problem(rows: Iterable[RunRow]) -> list[list[RunRow]]:
    """The sick ones, those with the same problem together; the worst first, among the problems and in each."""
    groups: dict[str, list[RunRow]] = {}
    for row in sickest(rows):
        assert row.summary is not None
        worst = wording.worst_open_finding(row.summary.diagnosis)
        groups.setdefault(worst.name if worst else "", []).append(row)
    return list(groups.values())


def table(rows: Sequence[RunRow], names: Mapping[str, str]) -> pandas.DataFrame:
    """One line a run, in the order given; what is not known is None.

    Args:
        rows: what to show.
        names: what each is called, by its id.
    """
    import pandas

    return pandas.DataFrame(
        {
            "status": [[_status_cell(row)] for row in rows],
            "run": [names[row.id] for row in rows],
            "problem": [_problem(row) for row in rows],
            "cause": [_cause(row) for row in rows],
            "since": _column([_since(row) for row in rows], "Int64"),
            "progress": [_progress(row) for row in rows],
            "loss": _as_logged([row.values.last_loss if row.values else None for row in rows]),
            "best": _column([_finite(row.values.best_val) if row.values else None for row in rows], "Float64"),
            "curve": [_curve(row) for row in rows],
            "steps": _column([row.values.diagnosis.last_step if row.values else None for row in rows], "Int64"),
            "grew": [_grew_at(row) for row in rows],
        }
    )


def short_names(rows: Sequence[RunRow]) -> dict[str, str]:
    """By id: the id without the folder that all of them begin with, safe to show.

    Of a path that is too long for the list its ends, where no other run has the same ends.
    """
    heads = {row.id.partition("/")[0] for row in rows}
    shared = f"{heads.pop()}/" if len(heads) == 1 and len(rows) > 1 else ""
    full = {row.id: row.id.removeprefix(shared) for row in rows}
    ends = {run_id: _ends(name) for run_id, name in full.items()}
    taken = Counter(ends.values())
    return {
        run_id: visible(ends[run_id] if taken[ends[run_id]] == 1 else name, longest=LONGEST_NAME)
        for run_id, name in full.items()
    }


def _ends(name: str) -> str:
    parts = name.split("/")
    return f"{parts[0]}/…/{parts[-1]}" if len(name) > FITS and len(parts) > 2 else name


def headline(row: RunRow) -> tuple[str, str]:
    """Of a sick run: what, since when and how sure; and the sentence that says it, both as plain text."""
    assert row.summary is not None
    worst = wording.worst_open_finding(row.summary.diagnosis)
    if worst is None:
        return wording.progress_sentence(row.summary.diagnosis), ""
    cause = wording.cause_of(row.summary.diagnosis)
    why = f" ← {cause}" if cause else ""
    return f"{wording.finding_headline(worst)}{why}", visible(worst.summary)


def is_error(row: RunRow) -> bool:
    """Whether it is sick beyond a warning."""
    return row.summary is not None and row.summary.diagnosis.status is Status.ERROR


def _column(cells: Sequence[float | None], kind: Literal["Int64", "Float64"]) -> pandas.Series[Any]:
    """A column of numbers some of which are not known, also where none is."""
    import pandas

    return pandas.Series(cells, dtype=kind)


def _as_logged(cells: Sequence[float | None]) -> pandas.Series[Any]:
    """A column that tells a NaN from what is not known, which pandas would take for the same."""
    import numpy as np
    import pandas

    value = np.array([math.nan if cell is None else cell for cell in cells], dtype=np.float64)
    is_unknown = np.array([cell is None for cell in cells], dtype=bool)
    return pandas.Series(pandas.arrays.FloatingArray(value, is_unknown))


def _searched(row: RunRow) -> str:
    parts = [row.id, row.path, state_of(row), row.trouble or ""]
    if row.summary is not None:
        for finding in row.summary.diagnosis.open_findings:
            parts += [finding.name, finding.code, *(cause.name for cause in finding.causes if not cause.is_ruled_out)]
    return " ".join(parts).casefold()


def _badness(row: RunRow) -> tuple[int, float, str]:
    if row.summary is None:
        return (len(_ORDER) if row.state == "unreadable" else len(_ORDER) + 1), 0.0, row.id
    diagnosis = row.summary.diagnosis
    worst = wording.worst_open_finding(diagnosis)
    return _ORDER.index(diagnosis.status), -worst.confidence if worst else 0.0, row.id


def _status_cell(row: RunRow) -> str:
    state = state_of(row)
    if state == SICK:
        return _SICK_UNTO_DEATH if is_error(row) else _SICK
    return next(cell for cell in CELLS if cell.endswith(state))


def _problem(row: RunRow) -> str:
    if row.summary is None:
        return (row.trouble or "").removeprefix(row.path).lstrip("/: ")
    diagnosis = row.summary.diagnosis
    worst = wording.worst_open_finding(diagnosis)
    if worst is None:
        notes = list(dict.fromkeys(visible(finding.name) for finding in diagnosis.open_findings))
        return f"{NOTE} {notes[0]}{_and_more(len(notes) - 1)}" if notes else ""
    others = sum(
        1 for finding in diagnosis.open_findings if finding is not worst and finding.severity is not Severity.INFO
    )
    return f"{visible(worst.name)}{_and_more(others)}"


def _and_more(others: int) -> str:
    return f" +{others}" if others else ""


def _cause(row: RunRow) -> str:
    return "" if row.summary is None else visible(wording.cause_of(row.summary.diagnosis))


def _since(row: RunRow) -> int | None:
    worst = wording.worst_open_finding(row.summary.diagnosis) if row.summary else None
    return worst.first_step if worst else None


def _progress(row: RunRow) -> str:
    return wording.progress_word(row.summary.diagnosis) if row.summary else ""


def _curve(row: RunRow) -> list[float]:
    """The sparkline; a cell cannot show what is not finite."""
    return [value for value in row.values.sparkline if math.isfinite(value)] if row.values else []


def _grew_at(row: RunRow) -> datetime | None:
    grew_at_s = _finite(row.values.grew_at_s) if row.values else None
    return None if grew_at_s is None else datetime.fromtimestamp(grew_at_s, UTC)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def suggestion(diagnosis: Diagnosis) -> str:
    """The first thing to try, or an empty string."""
    worst = wording.worst_open_finding(diagnosis)
    return visible(worst.interventions[0].summary) if worst and worst.interventions else ""
