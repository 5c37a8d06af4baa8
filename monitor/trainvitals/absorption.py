"""One event, one finding: a root finding takes in the symptoms that it explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainvitals.model import Finding, Severity

# A symptom may be noticed slightly before its root is dated, because both dates carry an error of a few points.
ONSET_TOLERANCE = 0.02

# What else is said of a loss that stands still: whatever explains why it does explains these too.
OF_A_STANDING_LOSS = ("underfitting", "overtraining", "schedule-never-decays")


def absorb(findings: Sequence[Finding], absorbs: Mapping[str, tuple[str, ...]], span_steps: int) -> tuple[Finding, ...]:
    """The findings without those that another one explains; these are named in its ``consequences``.

    A finding explains another if its rule says so and the other begins no earlier, up to 2 % of the run and to how
    closely it can be dated, and a note explains no alarm; or if the other is only a note on a stretch in which the
    root, which is more than a note, begins. What is explained can itself explain others, which then go to the same
    root. A root matters as much as the worst that it explains: what keeps a network from learning anything is an error.

    Args:
        findings: in the order in which they are to stay.
        absorbs: rule name to the names it explains.
        span_steps: length of the run in steps.
    """
    tolerance_steps = ONSET_TOLERANCE * span_steps
    root_of: dict[int, int] = {}
    for symptom_index, symptom in enumerate(findings):
        for root_index, root in enumerate(findings):
            explains = _explains(absorbs.get(root.name, ()), symptom.name)
            in_a_circle = _last_root(root_index, root_of) == symptom_index
            if explains and not in_a_circle and _belongs_to(symptom, root, tolerance_steps):
                root_of[symptom_index] = root_index
                break
    explained: dict[int, list[Finding]] = {}
    for index in root_of:
        explained.setdefault(_last_root(index, root_of), []).append(findings[index])
    return tuple(
        _with_consequences(finding, explained.get(index, []))
        for index, finding in enumerate(findings)
        if index not in root_of
    )


def _with_consequences(root: Finding, explained: Sequence[Finding]) -> Finding:
    names = {*root.consequences, *(finding.name for finding in explained)}
    severity = max((root.severity, *(finding.severity for finding in explained)), key=lambda severity: severity.rank)
    return replace(root, consequences=tuple(sorted(names)), severity=severity)


def _explains(absorbed: tuple[str, ...], name: str) -> bool:
    return name in absorbed or ("plateau" in absorbed and name in OF_A_STANDING_LOSS)


def _belongs_to(symptom: Finding, root: Finding, tolerance_steps: float) -> bool:
    if root.severity is Severity.INFO and symptom.severity is not Severity.INFO:
        return False
    if symptom.first_step is None or root.first_step is None:
        return True
    begins_by = symptom.first_step if symptom.begins_by is None else symptom.begins_by
    if begins_by >= root.first_step - tolerance_steps:
        return True
    only_a_note = symptom.severity is Severity.INFO and root.severity is not Severity.INFO
    return only_a_note and symptom.last_step is not None and symptom.last_step >= root.first_step


def _last_root(index: int, root_of: Mapping[int, int]) -> int:
    while index in root_of:
        index = root_of[index]
    return index
