"""What became of findings and of promises after a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trainvitals.maths.level_change import LevelChange
from trainvitals.model.finding import Finding, Verify
from trainvitals.model.run import Marker

if TYPE_CHECKING:
    from trainvitals.model.diagnosis import Diagnosis

Outcome = Literal["resolved", "unchanged", "better", "worse", "new", "unknown"]


@dataclass(frozen=True, slots=True)
class Moved:
    """How a signal has moved from one part to the other; ``change`` is None where there are too few points."""

    signal: str
    change: LevelChange | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of one promise.

    Args:
        verify: the promise.
        suggestions: names of those that made it.
        held: None where it cannot be told; then ``why`` says why.
        change: the levels, where there are any.
    """

    verify: Verify
    suggestions: tuple[str, ...]
    held: bool | None
    change: LevelChange | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class FindingOutcome:
    """What became of one finding.

    Args:
        outcome: ``resolved`` it is not found any more, although it could have been; ``unknown`` it is not found, but
            that says nothing; ``new`` it was not found before; ``worse`` and ``better`` by severity.
        before, after: the finding in each part; None where it was not found.
        why: for ``unknown``, why it cannot be told.
        moved: how the signal that it rests on has moved.
        verified: what became of what its suggestions promised.
    """

    outcome: Outcome
    before: Finding | None
    after: Finding | None
    why: str | None = None
    moved: Moved | None = None
    verified: tuple[Verified, ...] = ()

    @property
    def finding(self) -> Finding:
        """The newer of the two."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured over two parts of one story, whichever findings are accepted.

    Args:
        continued: the second goes on where the first one was.
        moved: for each finding of the first, how the signal that it rests on has moved.
        verified: for each, what became of what its suggestions promised.
    """

    continued: bool
    moved: tuple[Moved | None, ...]
    verified: tuple[tuple[Verified, ...], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """The two parts of a run around a change that was marked in it."""

    before: Diagnosis
    after: Diagnosis
    measured: Measured


@dataclass(frozen=True, slots=True)
class MarkedChange:
    """What became of a run after a change that was marked in it.

    Args:
        marker: where, and what was told of it.
        findings: what became of each finding of the part before, and what is new since; the worst first.
        parts: what that follows from, for when other findings are accepted.
    """

    marker: Marker
    findings: tuple[FindingOutcome, ...]
    parts: Parts | None = field(default=None, repr=False)
