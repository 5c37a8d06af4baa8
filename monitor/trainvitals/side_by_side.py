"""Any number of runs side by side: what was found in which, and which of their settings differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainvitals.comparison import Setting
from trainvitals.model import Diagnosis, Finding, Run


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One rule, and what it found in each run: None where nothing, or where somebody accepted it."""

    name: str
    found: tuple[Finding | None, ...]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One hyper-parameter, and its value in each run: None where the log has none."""

    name: str
    values: tuple[Setting | None, ...]


def findings_by_run(diagnoses: Sequence[Diagnosis]) -> tuple[FindingRow, ...]:
    """A row for each rule with an open finding in any of the runs.

    What is worst anywhere comes first, and of that what more of the runs have.
    """
    names = dict.fromkeys(finding.name for diagnosis in diagnoses for finding in diagnosis.open_findings)
    rows = [FindingRow(name, tuple(_worst(diagnosis, name) for diagnosis in diagnoses)) for name in names]
    return tuple(sorted(rows, key=_importance, reverse=True))


def differing_settings(runs: Sequence[Run]) -> tuple[SettingRow, ...]:
    """The hyper-parameters that are not the same in all runs; none for less than two runs.

    Those that most runs have logged come first, then by name.
    """
    names = sorted({name for run in runs for name in run.hyper_parameters})
    rows = [SettingRow(name, tuple(run.hyper_parameters.get(name) for run in runs)) for name in names]
    differing = [row for row in rows if len({None if value is None else str(value) for value in row.values}) > 1]
    return tuple(sorted(differing, key=lambda row: row.values.count(None)))


def _worst(diagnosis: Diagnosis, name: str) -> Finding | None:
    found = [finding for finding in diagnosis.open_findings if finding.name == name]
    return max(found, key=lambda finding: (finding.severity.rank, finding.confidence), default=None)


def _importance(row: FindingRow) -> tuple[int, int]:
    ranks = [finding.severity.rank for finding in row.found if finding is not None]
    return max(ranks), len(ranks)
