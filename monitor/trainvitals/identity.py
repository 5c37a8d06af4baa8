"""When two findings of different diagnoses are the same one, which is worse, and when an absence means nothing."""

from __future__ import annotations

from typing import NamedTuple

from trainvitals.model import Diagnosis, Finding
from trainvitals.model.verdict import CERTAIN_FROM, VERY_LIKELY_FROM

NOTHING_TO_JUDGE = "nothing-to-judge"
"""The finding that says a run holds too little for any verdict, a healthy one included."""


class Level(NamedTuple):
    """How bad, then how sure: the rank of the severity, and that of the word for the confidence."""

    severity: int
    word: int

    @classmethod
    def of(cls, finding: Finding) -> Level:
        """The level of a finding."""
        word = (finding.confidence >= VERY_LIKELY_FROM) + (finding.confidence >= CERTAIN_FROM)
        return cls(finding.severity.rank, word)


def likeness(one: Finding, other: Finding) -> float:
    """How much two findings of one rule have in common: 0 where they are about different things, at most 1.

    Compared by the signals and layers that they name, which may grow from one diagnosis to the next.
    """
    before, now = ({*each.signals, *each.layers} for each in (one, other))
    if not before or not now:
        return 1.0
    return len(before & now) / len(before | now)


def unanswered(diagnosis: Diagnosis) -> frozenset[str]:
    """Names whose absence means nothing: another finding explains them, or their rule did not judge this time."""
    explained = (name for finding in diagnosis.findings for name in finding.consequences)
    broken = (problem.where for problem in diagnosis.problems if problem.kind == "rule-failed")
    return frozenset((*explained, *broken, *(missing.name for missing in diagnosis.not_assessed)))
