"""What a diagnosis says once some of its findings are accepted: told of what was judged, and judging nothing again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainvitals.causes import root_causes
from trainvitals.config import Acceptance
from trainvitals.model import Diagnosis, Finding, MarkedChange, Severity, Status
from trainvitals.outcomes import outcomes
from trainvitals.rules.registry import find_rule

_STATUS = {Severity.ERROR: Status.ERROR, Severity.WARNING: Status.WARNING}


def with_accepted(diagnosis: Diagnosis, accepted: Sequence[Acceptance]) -> Diagnosis:
    """The diagnosis where these acceptances count, and none that counted in it before.

    It is what ``diagnose`` gives with these settings, since what is accepted has no part in judging. Of several
    acceptances that cover a finding, the first gives the reason.
    """
    run_names = (diagnosis.id, diagnosis.name, diagnosis.path)
    changes = tuple(_change(change, accepted, run_names) for change in diagnosis.changes)
    return replace(_part(diagnosis, accepted, run_names), changes=changes)


def _part(diagnosis: Diagnosis, accepted: Sequence[Acceptance], run_names: tuple[str, ...]) -> Diagnosis:
    """A run or a part of one, which is accepted of by the names of the whole."""
    findings = tuple(_finding(finding, accepted, run_names) for finding in diagnosis.findings)
    return replace(
        diagnosis,
        findings=findings,
        status=_status(findings, diagnosis.status_when_clear),
        root_causes=root_causes(findings),
    )


def _change(change: MarkedChange, accepted: Sequence[Acceptance], run_names: tuple[str, ...]) -> MarkedChange:
    if change.parts is None:
        return change
    before, after = (_part(part, accepted, run_names) for part in (change.parts.before, change.parts.after))
    return replace(change, findings=outcomes(before, after, change.parts.measured))


def _finding(finding: Finding, accepted: Sequence[Acceptance], run_names: tuple[str, ...]) -> Finding:
    names = find_rule(finding.name).names
    for acceptance in accepted:
        if acceptance.covers(names=names, tags=finding.signals, run_names=run_names):
            return replace(finding, state="accepted", accepted_because=acceptance.reason)
    return finding if finding.state == "open" else replace(finding, state="open", accepted_because=None)


def _status(findings: Sequence[Finding], when_clear: Status) -> Status:
    worst = max((finding.severity for finding in findings if finding.state == "open"), key=_rank, default=Severity.INFO)
    return _STATUS.get(worst, when_clear)


def _rank(severity: Severity) -> int:
    return severity.rank
