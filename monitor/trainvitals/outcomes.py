"""What became of each finding, from one diagnosis to another."""

from __future__ import annotations

from collections.abc import Sequence

from trainvitals.identity import NOTHING_TO_JUDGE, Level, likeness, unanswered
from trainvitals.model import Diagnosis, Finding, FindingOutcome, Measured, Outcome, Severity, Status

WORST_FIRST: tuple[Outcome, ...] = ("new", "worse", "unchanged", "unknown", "better", "resolved")

ONLY_A_NOTE = "only a note, which another seed alone may bring or take"

NOT_FINITE = "non-finite-loss"
"""The finding beside which the absence of others says nothing."""

LONG_ENOUGH = 0.1
"""Of what came before a change: what is not found again within less may only not have shown yet."""


def outcomes(before: Diagnosis, after: Diagnosis, measured: Measured) -> tuple[FindingOutcome, ...]:
    """What became of each finding that nobody accepted, the worst first.

    How sure a finding is told varies from one recording to the next; only its severity counts as better or worse.
    """
    found: list[FindingOutcome] = []
    left = [finding for finding in after.findings if _is_judged(finding)]
    for finding, moved, verified in zip(before.findings, measured.moved, measured.verified, strict=True):
        if not _is_judged(finding):
            continue
        same = _same(finding, left)
        outcome: Outcome
        why = None
        if same is None:
            why = _why_unknown(finding, before, after, continued=measured.continued)
            outcome = "resolved" if why is None else "unknown"
        else:
            left.remove(same)
            old, new = Level.of(finding).severity, Level.of(same).severity
            outcome = "unchanged" if old == new else "worse" if new > old else "better"
        found.append(FindingOutcome(outcome, finding, same, why, moved, verified))
    for finding in left:
        why = _why_not_new(finding, before)
        found.append(FindingOutcome("new" if why is None else "unknown", None, finding, why))
    return tuple(sorted(found, key=lambda each: WORST_FIRST.index(each.outcome)))


def _is_judged(finding: Finding) -> bool:
    return finding.state == "open" and finding.name != NOTHING_TO_JUDGE


def _same(finding: Finding, others: Sequence[Finding]) -> Finding | None:
    """The finding of the same rule that is about the same things; the only one counts, since tags may be renamed."""
    namesakes = [other for other in others if other.name == finding.name]
    return max(namesakes, key=lambda other: likeness(finding, other), default=None)


def _why_not_new(finding: Finding, before: Diagnosis) -> str | None:
    """Why a finding that was not there before need not be new; None where it is."""
    explained_by = next((other.name for other in before.findings if finding.name in other.consequences), None)
    if explained_by is not None:
        return f"{explained_by} explained it before"
    return ONLY_A_NOTE if finding.severity is Severity.INFO else None


def _why_unknown(finding: Finding, before: Diagnosis, after: Diagnosis, *, continued: bool) -> str | None:
    """Why the absence of a finding says nothing; None where it says that it is resolved."""
    explained_by = next((other.name for other in after.findings if finding.name in other.consequences), None)
    if explained_by is None and any(other.name == NOT_FINITE for other in after.open_findings):
        explained_by = NOT_FINITE
    if explained_by is not None:
        return f"{explained_by} hides it"
    missing = next((rule.missing for rule in after.not_assessed if rule.name == finding.name), None)
    if missing is not None:
        return f"not logged: {', '.join(missing)}"
    if finding.name in unanswered(after):
        return "its rule failed"
    if after.status is Status.UNDETERMINED:
        return "too little to judge"
    if finding.severity is Severity.INFO:
        return ONLY_A_NOTE
    return _why_too_short(finding, before, after, continued=continued)


def _why_too_short(finding: Finding, before: Diagnosis, after: Diagnosis, *, continued: bool) -> str | None:
    first, last = after.first_step, after.last_step
    if continued and first is not None and last is not None:
        start, end = before.first_step or 0, before.last_step or 0
        if last - first < LONG_ENOUGH * (end - start):
            return f"only {last - first:,} steps since"
        return None
    if finding.first_step is not None and (last is None or last <= finding.first_step):
        return f"the run ends before step {finding.first_step:,}"
    return None
