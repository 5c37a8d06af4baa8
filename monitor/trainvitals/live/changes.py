"""From successive diagnoses of one growing run to what a person should be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trainvitals.identity import NOTHING_TO_JUDGE, Level, likeness, unanswered
from trainvitals.model import Diagnosis, Finding, Severity

ChangeKind = Literal["opened", "worsened", "resolved"]

# What no later point can take back is told at the first look.
CANNOT_HEAL = frozenset({"non-finite-loss"})
# A log without end may open and resolve findings without end; older resolved ones are forgotten.
MOST_RESOLVED = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to tell about a growing run.

    Args:
        run: the run's id.
        kind: ``opened``, ``worsened`` (its severity or its likelihood in words rose) or ``resolved`` (it is no longer
            found, or no more than a note; the finding's state is then ``resolved``).
        finding: as it is now; as it was last seen where it is no longer found.
        before: the finding as it was told before; None where it is new.
        step: the last step of the run when this was seen.
        wall_time: when this was seen, seconds since the epoch.
    """

    run: str
    kind: ChangeKind
    finding: Finding
    before: Finding | None
    step: int | None
    wall_time: float


_NOTE = Level(0, 0)
_NEVER = Level(-1, 0)


@dataclass(slots=True)
class _Entry:
    """What is known of one finding over all looks.

    Args:
        finding: as it was seen last.
        seen: at the last look; None where it was absent.
        told: the finding as it was announced; None where nothing stands.
        told_level: the highest level since it was opened.
        highest: the highest level that was ever announced.
        resolved_at: the step at which it was resolved last.
        is_old_news: what stands is an event that was announced and resolved before.
    """

    finding: Finding
    seen: Finding | None = None
    told: Finding | None = None
    told_level: Level = _NOTE
    highest: Level = _NEVER
    resolved_at: int | None = None
    is_old_news: bool = False

    def rise_to(self, finding: Finding) -> None:
        """Let the finding stand as it is here, and find out whether that is news."""
        level = Level.of(finding)
        same_event = self.resolved_at is not None and (finding.first_step or 0) <= self.resolved_at
        self.is_old_news = same_event and level <= self.highest
        self.highest = max(level, self.highest)
        self.told, self.told_level = finding, level

    def calmed(self, finding: Finding) -> bool:
        """Whether what stands as an alarm is only a note here."""
        return finding.severity is Severity.INFO and self.told_level.severity > Severity.INFO.rank

    @property
    def unsettled(self) -> bool:
        """Whether the last look saw something that the one before it did not confirm."""
        if self.seen is None or self.told is None:
            return (self.seen is None) != (self.told is None)
        return Level.of(self.seen) > self.told_level or self.calmed(self.seen)


class FindingLedger:
    """The findings of one growing run, and which of their changes have been told.

    A change counts once two consecutive looks agree on it, or once the look is at a log that has settled. A finding is
    known again by its name and by a signal or layer that it shares with before. Accepted findings are not announced,
    and one that is accepted after it was told is forgotten: it was not resolved.
    What comes back after it was resolved is announced only if it began after that: the same event is told once.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._last_step: int | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was told and stands, then what was resolved, its state ``resolved``."""
        standing = [entry.finding for entry in self._entries if entry.told is not None]
        resolved = [entry for entry in self._entries if entry.told is None and entry.resolved_at is not None]
        return (*standing, *(replace(entry.finding, state="resolved") for entry in resolved))

    def look(self, diagnosis: Diagnosis, wall_time: float, *, settled: bool = False) -> list[Change]:
        """What one more diagnosis of the run changes.

        Args:
            diagnosis: the newest.
            wall_time: seconds since the epoch.
            settled: the log has ended or rests, so that no further look will have more to go by.
        """
        if self._went_back(diagnosis.last_step):
            for entry in self._entries:
                entry.resolved_at = None
        self._last_step = diagnosis.last_step
        seen = [finding for finding in diagnosis.open_findings if finding.name != NOTHING_TO_JUDGE]
        accepted = [finding for finding in diagnosis.findings if finding.state == "accepted"]
        unknown = unanswered(diagnosis)
        changes: list[Change] = []
        for entry, finding in self._matched(seen):
            if finding is None and any(_is_same(entry.finding, each) for each in accepted):
                self._entries = [each for each in self._entries if each is not entry]
                continue
            if finding is None and entry.finding.name in unknown:
                continue
            for kind, told, before in _advance(entry, finding, diagnosis.last_step, settled=settled):
                changes.append(Change(diagnosis.id, kind, told, before, diagnosis.last_step, wall_time))
        self._forget()
        return changes

    @property
    def unsettled(self) -> bool:
        """Whether the last look saw something that the one before it did not confirm."""
        return any(entry.unsettled for entry in self._entries)

    def _went_back(self, last_step: int | None) -> bool:
        return self._last_step is not None and (last_step is None or last_step < self._last_step)

    def _matched(self, seen: Sequence[Finding]) -> Iterator[tuple[_Entry, Finding | None]]:
        """Every known finding with what it is now, then the new ones."""
        known = list(self._entries)
        for finding in seen:
            namesakes = [entry for entry in known if entry.finding.name == finding.name]
            best = max(namesakes, key=lambda entry: likeness(entry.finding, finding), default=None)
            if best is None or likeness(best.finding, finding) == 0:
                best = _Entry(finding)
                self._entries.append(best)
            else:
                known.remove(best)
            yield best, finding
        for entry in known:
            yield entry, None

    def _forget(self) -> None:
        gone = [entry for entry in self._entries if entry.seen is None and entry.told is None]
        never_told = [entry for entry in gone if entry.resolved_at is None]
        resolved = [entry for entry in gone if entry.resolved_at is not None]
        forgotten = never_told + resolved[: max(0, len(resolved) - MOST_RESOLVED)]
        self._entries = [entry for entry in self._entries if not any(entry is each for each in forgotten)]


def _is_same(one: Finding, other: Finding) -> bool:
    return one.name == other.name and likeness(one, other) > 0


def _advance(
    entry: _Entry, finding: Finding | None, step: int | None, *, settled: bool
) -> Iterator[tuple[ChangeKind, Finding, Finding | None]]:
    """Move one entry on by a look; what there is to tell."""
    previous, entry.seen = entry.seen, finding
    entry.finding = finding or entry.finding
    if settled or (finding is not None and finding.name in CANNOT_HEAL and finding.severity is Severity.ERROR):
        previous = finding
    if finding is None and previous is None and entry.told is not None:
        yield from _resolve(entry, step, stands=None)
    if finding is None or previous is None:
        return
    # Both looks say at least this much.
    surely = min(finding, previous, key=Level.of)
    if entry.told is None or Level.of(surely) > entry.told_level:
        before = None if entry.is_old_news else entry.told
        entry.rise_to(surely)
        if not entry.is_old_news:
            yield ("opened" if before is None else "worsened"), surely, before
    elif entry.calmed(finding) and entry.calmed(previous):
        yield from _resolve(entry, step, stands=finding)


def _resolve(
    entry: _Entry, step: int | None, *, stands: Finding | None
) -> Iterator[tuple[ChangeKind, Finding, Finding | None]]:
    """End what was told; ``stands`` is what remains of it as a note, which needs no announcement of its own."""
    if not entry.is_old_news:
        yield "resolved", replace(entry.finding, state="resolved"), entry.told
    entry.told, entry.resolved_at = stands, step
    entry.told_level = _NOTE if stands is None else Level.of(stands)
    entry.is_old_news = True
