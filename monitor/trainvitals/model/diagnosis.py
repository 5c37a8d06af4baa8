"""Everything that was found out about one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainvitals.model.finding import Finding
from trainvitals.model.outcome import MarkedChange
from trainvitals.model.run import Problem
from trainvitals.model.verdict import Progress, Status


@dataclass(frozen=True, slots=True)
class NotAssessed:
    """A rule that could not be judged: which signals are missing, and the one line that would log them."""

    code: str
    name: str
    missing: tuple[str, ...]
    how: str


@dataclass(frozen=True, slots=True)
class RootCause:
    """A cause that explains one or more findings."""

    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class SignalSummary:
    """How the tags were understood, in the shape of the JSON output."""

    train_loss: tuple[str, ...] = ()
    val_loss: Mapping[str, str] = field(default_factory=dict)
    learning_rate: tuple[str, ...] = ()
    per_layer: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found out about one run.

    ``status_when_clear`` is the status that it has while nothing at warning or above is open.
    """

    id: str
    path: str
    name: str
    format: str
    first_step: int | None
    last_step: int | None
    points: int
    status: Status
    signals: SignalSummary
    progress: Progress
    findings: tuple[Finding, ...] = ()
    root_causes: tuple[RootCause, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()
    problems: tuple[Problem, ...] = ()
    changes: tuple[MarkedChange, ...] = ()
    status_when_clear: Status = field(default=Status.UNDETERMINED, repr=False)

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """The findings that nobody accepted, worst first."""
        return tuple(finding for finding in self.findings if finding.state == "open")
