"""The few runs that pages look into: held in memory, read on and diagnosed while they grow, shared by all sessions."""

from __future__ import annotations

import gc
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from trainvitals.accepted import with_accepted
from trainvitals.config import Acceptance, Config
from trainvitals.errors import LogError, TrainvitalsError
from trainvitals.kept.state import State
from trainvitals.live.allowance import MOST_SAVED_S, Allowance
from trainvitals.live.changes import Change
from trainvitals.live.clock import Clock
from trainvitals.live.followed_run import FollowedRun
from trainvitals.model import Diagnosis, Run
from trainvitals.signals import Signals, understand
from trainvitals_app.runs.catalogue import Catalogue
from trainvitals_app.runs.memory import return_large_blocks

# Eight runs can be seen at once, and a second person may look at others.
MOST_OPEN = 16
# Columns of all open runs together; the run that was asked for last stays whatever its size.
MOST_BYTES = 1 << 30
# How often files are looked at, and for how long after somebody asked.
READ_EVERY_S = 1.0
SHORTLY_S = 0.02
UNWATCHED_AFTER_S = 60.0
# Takes a tenth of a second in which nothing else happens.
COLLECT_EVERY_S = 30.0
# Of one core: what reading and diagnosing may take while runs grow.
READING_SHARE, DIAGNOSING_SHARE = 0.2, 0.2
# A page waits so long for a run that nobody has opened yet.
PATIENCE_S = 30.0
MOST_CHANGES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A run as far as it was read, and what was found in it.

    Args:
        run: everything that was logged.
        signals: what each tag means.
        diagnosis: the newest; of a run that grows fast it may be some steps behind.
        changes: what has opened, worsened or was resolved since the run was opened, in order.
        updated_at_s: when its log has grown last, in seconds since the epoch.
        version: another one when anything of this has changed.
        trouble: why it cannot be read on, in a line; None where it can.
    """

    run: Run
    signals: Signals
    diagnosis: Diagnosis
    changes: tuple[Change, ...]
    updated_at_s: float
    version: int
    trouble: str | None = None


class _Open:
    """One run that is open. Only the thread of ``OpenRuns`` touches more than the snapshot and the error."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id
        self.asked_at_s = time.monotonic()
        self.snapshot: Snapshot | None = None
        self.error: LogError | None = None
        self.followed: FollowedRun | None = None
        self.changes: tuple[Change, ...] = ()
        self.size_bytes = 0

    @property
    def is_begun(self) -> bool:
        """Whether there is something to show, or a reason why not."""
        return self.snapshot is not None or self.error is not None


class OpenRuns:
    """Opens runs of the catalogue, and keeps those that were asked for last.

    Args:
        catalogue: where runs are found by their id.
        config: as for ``diagnose``.
    """

    def __init__(self, catalogue: Catalogue, config: Config) -> None:
        self._catalogue = catalogue
        self._config = config
        self._clock = Clock(cpu_s=time.thread_time)
        self._reading = Allowance(READING_SHARE, self._clock, saved_s=MOST_SAVED_S)
        self._diagnosing = Allowance(DIAGNOSING_SHARE, self._clock, saved_s=MOST_SAVED_S)
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._published = 0
        self._thread = threading.Thread(target=self._work, name="trainvitals-open-runs", daemon=True)
        self._thread.start()

    def snapshot(self, run_id: str, *, patience_s: float = PATIENCE_S) -> Snapshot:
        """A run as it is now. Waits only for a run that is not open yet.

        Raises:
            LogError: there is no such run, it cannot be read, or that takes longer than ``patience_s``.
        """
        with self._changed:
            entry = self._open.get(run_id)
            if entry is None:
                entry = self._open[run_id] = _Open(run_id)
            self._open.move_to_end(run_id)
            entry.asked_at_s = time.monotonic()
            if not entry.is_begun:
                self._changed.notify_all()
                self._changed.wait_for(lambda: entry.is_begun or self._closed, patience_s)
            if entry.snapshot is not None:
                return entry.snapshot
            error, entry.error = entry.error, None
        raise error or LogError(
            "is still being read", where=run_id, hint="it is large, or its disk is slow; look again"
        )

    def accept(self, accepted: tuple[Acceptance, ...]) -> None:
        """From now on these acceptances count, also in the verdicts that are there. Nothing is judged again."""
        with self._changed:
            if accepted == self._config.accepted:
                return
            self._config = replace(self._config, accepted=accepted)
            for entry in self._open.values():
                if entry.snapshot is not None:
                    diagnosis = with_accepted(entry.snapshot.diagnosis, accepted)
                    entry.snapshot = replace(entry.snapshot, diagnosis=diagnosis, version=entry.snapshot.version + 1)

    @property
    def size_bytes(self) -> int:
        """What the columns of all open runs take."""
        with self._changed:
            return sum(entry.size_bytes for entry in self._open.values())

    def close(self) -> None:
        """Let everything go."""
        with self._changed:
            self._closed = True
            self._open.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        return_large_blocks()
        collected_at_s, version = time.monotonic(), 0
        while True:
            with self._changed:
                is_awaited = any(not entry.is_begun for entry in self._open.values())
                if not is_awaited or not self._catalogue.has_looked:
                    self._changed.wait(SHORTLY_S if is_awaited else READ_EVERY_S)
                if self._closed:
                    return
                self._drop_what_is_too_much()
                asked_last = list(reversed(self._open.values()))
            # What a page waits for comes first, also before what was asked for while this was going on.
            for entry in sorted(asked_last, key=lambda entry: entry.is_begun):
                try:
                    self._read_on(entry)
                except Exception as mistake:
                    what = f"could not be looked into: {type(mistake).__name__}: {mistake}"
                    self._publish(entry, LogError(what, where=entry.id, hint="this is a mistake of trainvitals"))
                if entry.is_begun and any(not each.is_begun for each in asked_last):
                    break
            if self._published != version and time.monotonic() - collected_at_s > COLLECT_EVERY_S:
                # Figures hold one another in cycles, and Streamlit is told not to look for those itself.
                gc.collect()
                collected_at_s, version = time.monotonic(), self._published

    def _read_on(self, entry: _Open) -> None:
        if entry.is_begun and time.monotonic() - entry.asked_at_s > UNWATCHED_AFTER_S:
            return
        files = self._catalogue.files(entry.id)
        if entry.followed is None:
            if files is None and not self._catalogue.has_looked:
                return
            if files is None:
                hint = "it may have been renamed or deleted, or lie outside of what is shown"
                self._publish(entry, LogError("there is no such run here", where=entry.id, hint=hint))
                return
            entry.followed = FollowedRun(entry.id, files, self._config, self._clock)
        followed = entry.followed
        if files is None:
            self._publish(entry, LogError("its files are gone", where=entry.id))
            return
        followed.files = files
        followed.accept(self._config.accepted)
        if not entry.is_begun or self._reading.is_due:
            with self._reading.spending():
                followed.read()
        changes = self._look(entry, followed)
        entry.changes = (*entry.changes, *changes)[-MOST_CHANGES:]
        self._publish(entry, followed.trouble)

    def _look(self, entry: _Open, followed: FollowedRun) -> list[Change]:
        if followed.run is None:
            return []
        if followed.diagnosis is None:
            known = self._known(entry.id, followed.run)
            if known is not None:
                followed.know(known)
            else:
                # Not news: whoever opens a run is shown all of it.
                followed.look(final=True)
            return []
        allowed = self._diagnosing.may_borrow if followed.is_urgent else self._diagnosing.is_due
        if allowed and (followed.is_urgent or followed.is_worth_a_look):
            with self._diagnosing.spending():
                return followed.look()
        return followed.settle()

    def _known(self, run_id: str, run: Run) -> Diagnosis | None:
        """The verdict of the list, where it is about what was read here."""
        row = self._catalogue.row(run_id)
        if row is None or row.summary is None:
            return None
        known = row.summary.diagnosis
        is_same = (known.points, known.first_step, known.last_step) == (run.points, run.first_step, run.last_step)
        return replace(known, id=run_id) if is_same else None

    def _publish(self, entry: _Open, trouble: TrainvitalsError | None) -> None:
        followed, before = entry.followed, entry.snapshot
        line = trouble.message() if trouble is not None else None
        run, diagnosis = (followed.run, followed.diagnosis) if followed is not None else (None, None)
        if run is None or diagnosis is None:
            with self._changed:
                if before is None and trouble is not None:
                    entry.error = LogError(trouble.what, where=trouble.where, hint=trouble.hint)
                    self._changed.notify_all()
            return
        if before is None or before.run.series is not run.series:
            run = replace(run, id=entry.id)
            signals = understand(run, self._config.signals)
            updated_at_s = self._grew_at_s(followed)
        else:
            run, signals, updated_at_s = before.run, before.signals, before.updated_at_s
            if (diagnosis, entry.changes, line) == (before.diagnosis, before.changes, before.trouble):
                return
        with self._changed:
            entry.size_bytes = _size_bytes(run)
            version = entry.snapshot.version + 1 if entry.snapshot is not None else 1
            # Something may have been accepted since the run was looked at.
            diagnosis = with_accepted(diagnosis, self._config.accepted)
            entry.snapshot = Snapshot(run, signals, diagnosis, entry.changes, updated_at_s, version, line)
            self._published += 1
            self._changed.notify_all()

    def _grew_at_s(self, followed: FollowedRun | None) -> float:
        files = followed.files if followed is not None else None
        grew_at_s = State.of(files).grew_at_s if files is not None else math.nan
        return time.time() if math.isnan(grew_at_s) else grew_at_s

    def _drop_what_is_too_much(self) -> None:
        while len(self._open) > 1:
            size_bytes = sum(entry.size_bytes for entry in self._open.values())
            if len(self._open) <= MOST_OPEN and size_bytes <= MOST_BYTES:
                return
            self._open.popitem(last=False)


def _size_bytes(run: Run) -> int:
    scalars = sum(each.step.nbytes + each.wall_time.nbytes + each.value.nbytes for each in run.series.values())
    histograms = sum(each.quantiles.nbytes + 8 * each.step.nbytes for each in run.histograms.values())
    return scalars + histograms
