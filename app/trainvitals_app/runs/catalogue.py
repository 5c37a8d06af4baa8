"""Every run at the roots: found again now and then, read and judged in the background."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace

from trainvitals.accepted import with_accepted
from trainvitals.config import Acceptance
from trainvitals.errors import LogError
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import named_runs
from trainvitals.kept import RunSummary
from trainvitals.kept.state import State
from trainvitals.live.changes import Change, FindingLedger
from trainvitals.live.followed_run import LOOK_AFTER_GROWTH, LOOK_AT_LEAST_EVERY_S
from trainvitals.reporters.visible import visible
from trainvitals_app.runs.judging import Answer, Job
from trainvitals_app.runs.listing import Listing, RowState, RunRow
from trainvitals_app.runs.pool import Pool
from trainvitals_app.serving.roots import Roots

# Looking for new runs and at the sizes of files: at least so far apart, and so many times as long as it takes.
LOOK_EVERY_S = 2.0
PAUSE_OVER_COST = 20.0
# Nobody has asked for so long: looking goes on when somebody does.
UNWATCHED_AFTER_S = 120.0
# Of one core, what judging runs again that grow may take altogether.
AGAIN_SHARE = 0.2
# A log that has not grown for so long rests; what its last look saw then needs no other to confirm it.
RESTS_AFTER_S = 60.0
# What was announced longer ago is forgotten.
MOST_CHANGES = 200
# Of runs that are left out, so many are named.
MOST_NAMED = 3
# Ranks of jobs: first the values of all runs, then verdicts, then those of runs that have grown.
_VALUES, _VERDICT, _AGAIN = 0.0, 1.0, 2.0


@dataclass(slots=True)
class _Entry:
    """What is known of one run."""

    files: RunFiles
    row: RunRow
    is_new: bool
    state: State | None = None
    size: int = 0
    asked_size: int = 0
    asked_at_s: float = -math.inf
    asked: State | None = None
    in_flight: bool = False
    cost_s: float = 0.0
    grew_at_s: float = -math.inf
    ledger: FindingLedger = field(default_factory=FindingLedger)
    has_been_judged: bool = False


class Catalogue:
    """Every run at the roots. A thread looks for files, a pool of processes reads them; asking never waits for either.

    Args:
        roots: what is shown; what a link leads out of them is left out and told.
        pool: reads and judges; closed with the catalogue.
    """

    def __init__(self, roots: Roots, pool: Pool) -> None:
        self.roots = roots
        self._pool = pool
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._accepted: tuple[Acceptance, ...] = ()
        self._troubles: tuple[str, ...] = ()
        self._listing = Listing()
        self._changes: list[tuple[int, Change]] = []
        self._told = 0
        self._version = 0
        self._asked_for_at_s = time.monotonic()
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="trainvitals-catalogue", daemon=True)
        self._thread.start()

    def listing(self) -> Listing:
        """The list as it is now. Takes no time."""
        self._noted()
        with self._lock:
            if self._listing.version != self._version:
                rows = tuple(entry.row for entry in self._entries.values())
                self._listing = replace(self._listing, rows=rows, troubles=self._troubles, version=self._version)
            return self._listing

    @property
    def has_looked(self) -> bool:
        """Whether the roots were looked into at all by now."""
        return not math.isnan(self._listing.looked_at_s)

    def rows(self) -> tuple[RunRow, ...]:
        """The runs as they are now. Takes no time."""
        return self.listing().rows

    def row(self, run_id: str) -> RunRow | None:
        """One run, if there is one of this id."""
        self._noted()
        with self._lock:
            entry = self._entries.get(run_id)
            return entry.row if entry else None

    def files(self, run_id: str) -> RunFiles | None:
        """The files of a run, if there is one of this id and all of them lie inside the roots at this moment."""
        with self._lock:
            entry = self._entries.get(run_id)
        return entry.files if entry and self._inside(entry.files) else None

    def accept(self, accepted: tuple[Acceptance, ...]) -> None:
        """From now on these acceptances count, also in the verdicts that are there. Nothing is judged again."""
        with self._lock:
            if accepted == self._accepted:
                return
            self._accepted = accepted
            for entry in self._entries.values():
                if entry.row.summary is not None:
                    summary = self._accepting(entry.row.summary, entry.row.id)
                    entry.row = replace(entry.row, summary=summary, version=entry.row.version + 1)
            self._version += 1

    def changes_since(self, number: int | None) -> tuple[int, list[Change]]:
        """What has opened, worsened or was resolved in runs that grow.

        Args:
            number: what this call returned the last time; None for the first time, when nothing is news.

        Returns:
            The number for the next call, and the changes since.
        """
        with self._lock:
            news = [] if number is None else [change for at, change in self._changes if at > number]
            return self._told, news

    def wait(self, timeout_s: float) -> bool:
        """Wait until every run has a verdict or cannot be read; whether that has come about in time."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if self.has_looked and not self.listing().waiting:
                return True
            time.sleep(0.02)
        return False

    def close(self) -> None:
        """Stop looking, and end the processes."""
        self._closed.set()
        self._wake.set()
        self._pool.close()

    def _noted(self) -> None:
        was_watched = self._is_watched
        self._asked_for_at_s = time.monotonic()
        if not was_watched:
            self._wake.set()

    @property
    def _is_watched(self) -> bool:
        return time.monotonic() - self._asked_for_at_s < UNWATCHED_AFTER_S

    def _work(self) -> None:
        find_at_s = -math.inf
        while not self._closed.is_set():
            began_s = time.monotonic()
            try:
                if began_s >= find_at_s:
                    self._find()
                    find_at_s = time.monotonic() + max(LOOK_EVERY_S, PAUSE_OVER_COST * (time.monotonic() - began_s))
                self._look()
            except Exception as mistake:
                # Without this thread the list would stand still and say nothing.
                with self._lock:
                    self._troubles = (visible(f"looking for runs failed: {type(mistake).__name__}: {mistake}"),)
                    self._version += 1
            with self._lock:
                self._listing = replace(self._listing, looked_at_s=time.time())
            self._wake.wait(LOOK_EVERY_S if self._is_watched else None)
            self._wake.clear()

    def _find(self) -> None:
        """Look for runs at the roots."""
        troubles: list[LogError] = []
        named = named_runs(self.roots.paths, troubles.append)
        found = {run_id: files for run_id, files in named.items() if self._inside(files)}
        if left_out := [run_id for run_id in named if run_id not in found]:
            names = f"{', '.join(left_out[:MOST_NAMED])}{', …' if len(left_out) > MOST_NAMED else ''}"
            what = f"left out, since a link leads out of what is shown: {len(left_out):,} of the runs"
            troubles.append(LogError(what, where=names, hint="give the folder that it leads to as well"))
        with self._lock:
            is_first = not self.has_looked
            known = {(entry.files.root, entry.files.name): entry for entry in self._entries.values()}
            entries: dict[str, _Entry] = {}
            for run_id, files in found.items():
                entry = known.get((files.root, files.name))
                if entry is None:
                    row = RunRow(run_id, visible(files.name), visible(str(files.root)))
                    entry = _Entry(files, row, is_new=not is_first)
                    self._version += 1
                elif entry.row.id != run_id:
                    summary = entry.row.summary and self._accepting(entry.row.summary, run_id)
                    entry.row = replace(entry.row, id=run_id, summary=summary, version=entry.row.version + 1)
                    self._version += 1
                entry.files = files
                entries[run_id] = entry
            told = tuple(visible(trouble.message()) for trouble in troubles)
            if entries.keys() != self._entries.keys() or told != self._troubles:
                self._version += 1
            self._entries, self._troubles = entries, told

    def _look(self) -> None:
        """Submit what has changed."""
        with self._lock:
            entries = list(self._entries.values())
        now_s = time.monotonic()
        growing = sum(now_s - entry.grew_at_s < RESTS_AFTER_S for entry in entries if entry.has_been_judged)
        newest_first = sorted(entries, key=_changed_at_s, reverse=True)
        for place, entry in enumerate(newest_first):
            state = State.of(entry.files)
            if state != entry.state:
                entry.grew_at_s = now_s if entry.state is not None else entry.grew_at_s
                entry.state, entry.size = state, sum(stamp.size for stamp in state.stamps if stamp)
            if entry.in_flight:
                continue
            if entry.asked is None:
                self._recall_or_submit(entry, _VALUES + place * 1e-6)
            elif state != entry.asked and self._is_due(entry, now_s, growing):
                self._submit(entry, _AGAIN, judge=True)
            elif now_s - entry.grew_at_s > RESTS_AFTER_S and entry.ledger.unsettled:
                self._tell(entry, settled=True)

    def _is_due(self, entry: _Entry, now_s: float, growing: int) -> bool:
        waited_s = now_s - entry.asked_at_s
        if waited_s < entry.cost_s * max(1, growing) / AGAIN_SHARE:
            return False
        grown = abs(entry.size - entry.asked_size) >= LOOK_AFTER_GROWTH * entry.asked_size
        return grown or waited_s >= LOOK_AT_LEAST_EVERY_S

    def _recall_or_submit(self, entry: _Entry, rank: float) -> None:
        """A run that is met for the first time: its verdict as it was kept, else its values by a process."""
        summary = self._pool.kept(entry.row.id, entry.files) if self._inside(entry.files) else None
        if summary is None:
            self._submit(entry, rank, judge=False)
            return
        entry.asked, entry.asked_size, entry.asked_at_s = entry.state, entry.size, time.monotonic()
        self._take(entry, Answer(summary, judged=True, trouble=None, cost_s=0.0))

    def _submit(self, entry: _Entry, rank: float, *, judge: bool) -> None:
        entry.in_flight = True
        entry.asked, entry.asked_size, entry.asked_at_s = entry.state, entry.size, time.monotonic()
        if not self._inside(entry.files):
            self._take(entry, Answer(None, False, f"{entry.row.id}: gone, or no longer inside of what is shown", 0.0))
            return
        job = Job(entry.row.id, entry.files, judge)
        self._pool.submit(job, rank, lambda answer: self._take(entry, answer, rank))

    def _take(self, entry: _Entry, answer: Answer, rank: float = 0.0) -> None:
        """An answer has come, in a thread of the pool."""
        with self._lock:
            judged = answer.summary if answer.judged else None
            summary = self._accepting(judged, entry.row.id) if judged else entry.row.summary
            state: RowState = "judged" if summary else "unreadable" if answer.trouble else "waiting"
            entry.cost_s = max(answer.cost_s, entry.cost_s / 2)
            entry.row = replace(
                entry.row,
                state=state,
                summary=summary,
                values=answer.summary or entry.row.values,
                trouble=answer.trouble,
                version=entry.row.version + 1,
            )
            self._version += 1
        if answer.judged:
            self._tell(entry, settled=not entry.has_been_judged and not entry.is_new)
            entry.has_been_judged = True
        # Until here nobody else may look at what was told of this run.
        entry.in_flight = False
        if answer.summary is not None and not answer.judged:
            self._submit(entry, _VERDICT + rank, judge=True)

    def _accepting(self, summary: RunSummary, run_id: str) -> RunSummary:
        """A verdict under the id that the run has now, by which something may be accepted of it."""
        diagnosis = replace(summary.diagnosis, id=run_id)
        return replace(summary, diagnosis=with_accepted(diagnosis, self._accepted))

    def _tell(self, entry: _Entry, *, settled: bool) -> None:
        """Note what a verdict changes in the findings of a run. What the first one of an old log says is no news."""
        assert entry.row.summary is not None
        changes = entry.ledger.look(entry.row.summary.diagnosis, time.time(), settled=settled)
        if not entry.has_been_judged and not entry.is_new:
            return
        with self._lock:
            for change in changes:
                self._told += 1
                self._changes.append((self._told, change))
            del self._changes[:-MOST_CHANGES]

    def _inside(self, files: RunFiles) -> bool:
        ways = (files, *files.alternatives)
        return all(self.roots.hold(path) for way in ways for path in (way.root, *(path for _, path in way.files)))


def _changed_at_s(entry: _Entry) -> float:
    if entry.state is None:
        return math.inf
    grew_at_s = entry.state.grew_at_s
    return -math.inf if math.isnan(grew_at_s) else grew_at_s
