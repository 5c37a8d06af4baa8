"""One growing run: when it is worth another look, and what the looks so far have told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainvitals.accepted import with_accepted
from trainvitals.config import Acceptance, Config
from trainvitals.engine import diagnose
from trainvitals.errors import ConfigError, LogError
from trainvitals.formats.format import RunFiles
from trainvitals.formats.growing import GrowingRun
from trainvitals.live.changes import CANNOT_HEAL, Change, FindingLedger
from trainvitals.live.clock import Clock
from trainvitals.model import Diagnosis, Finding, Run, Severity

# Two looks must differ in data to confirm each other: this share of the points so far is new, and at least one.
LOOK_AFTER_GROWTH = 0.02
# A log that grows slowly is looked at this often all the same, if anything is new.
LOOK_AT_LEAST_EVERY_S = 60.0
# So many non-finite points in a row are judged one by one, after that like anything else.
FRESH_POINTS = 20
# A log rests when nothing was added for twice its longest recent pause: within these bounds, since a pause may be a
# night between two sessions; and where the log has no wall times, for the middle one.
RECENT_POINTS = 50
PAUSES = 2.0
SHORTEST_REST_S, UNKNOWN_REST_S, LONGEST_REST_S = 10.0, 30.0, 600.0


class FollowedRun:
    """One run that may still be growing.

    Args:
        run_id: what a person knows it by.
        files: those that belong to it at this moment.
        config: as for ``diagnose``.
        clock: what waiting is measured by.
    """

    def __init__(self, run_id: str, files: RunFiles, config: Config, clock: Clock) -> None:
        self.id = run_id
        self.files: RunFiles | None = files
        """None while the files are gone; what was found out stays."""
        self.diagnosis: Diagnosis | None = None
        """What the last look said."""
        self.grew_at_s = clock.now_s()
        self.looked_at_s = -math.inf
        self._config = config
        self._clock = clock
        self._log = GrowingRun(config.purge)
        self._unreadable: LogError | None = None
        self._undiagnosed: ConfigError | None = None
        self._run: Run | None = None
        self._ledger = FindingLedger()
        # Runs are told apart by number, because holding on to the one that was looked at would hold its data twice.
        self._version = 0
        self._looked_version = 0
        self._settled_version = 0
        self._points = 0
        self._looked_points = 0
        self._non_finite: dict[str, int] = {}
        self._looked_non_finite: frozenset[str] = frozenset()
        self._rest_s = UNKNOWN_REST_S

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was told and stands, then what was resolved, its state ``resolved``."""
        return self._ledger.findings

    @property
    def run(self) -> Run | None:
        """What was read so far; None before anything was, and once the files are gone."""
        return self._run

    @property
    def trouble(self) -> LogError | ConfigError | None:
        """Why it could not be read or diagnosed the last time."""
        return self._unreadable or self._undiagnosed

    def read(self) -> None:
        """Take in what was added to the log. While it cannot be read, what was read before stays."""
        if self.files is None:
            return
        try:
            run = self._log.poll(self.files)
        except LogError as error:
            self._unreadable = error
            return
        self._unreadable = None
        if run is self._run:
            return
        self._run = run
        self._version += 1
        self._points = run.points
        self._non_finite = _ending_non_finite(run, self.diagnosis)
        self._rest_s = _rest_s(run)
        self.grew_at_s = self._clock.now_s()

    def let_go(self) -> None:
        """The files are gone: release the data, keep what was found out."""
        self.files, self._log, self._run = None, GrowingRun(self._config.purge), None

    @property
    def is_new(self) -> bool:
        """Whether it was never looked at although it can be."""
        return self._has_news and self._looked_version == 0

    @property
    def is_urgent(self) -> bool:
        """Whether a loss has just become non-finite and nothing was said of it yet."""
        is_told = any(finding.name in CANNOT_HEAL and finding.severity is Severity.ERROR for finding in self.findings)
        has_begun = bool(self._non_finite.keys() - self._looked_non_finite)
        # Where single values were not finite before, the first of a lasting row look like more of these.
        goes_on = any(points <= FRESH_POINTS for points in self._non_finite.values())
        return self._has_news and not is_told and (has_begun or goes_on)

    @property
    def is_worth_a_look(self) -> bool:
        """Whether there is enough new data for a diagnosis that says more than the last one."""
        if not self._has_news:
            return False
        grown = self._points >= self._looked_points * (1 + LOOK_AFTER_GROWTH) or self._points < self._looked_points
        waited = self._clock.now_s() - self.looked_at_s >= LOOK_AT_LEAST_EVERY_S
        return grown or waited or self._rests

    def look(self, *, final: bool = False) -> list[Change]:
        """Diagnose what was read so far; what that changes.

        Args:
            final: no other look will follow, so that this one needs no confirmation.
        """
        if self._run is None:
            return []
        self.looked_at_s = self._clock.now_s()
        self._looked_version, self._looked_points = self._version, self._points
        try:
            self.diagnosis = diagnose(replace(self._run, id=self.id), self._config)
        except ConfigError as error:
            self._undiagnosed = error
            return []
        self._undiagnosed = None
        self._looked_non_finite = frozenset(_ending_non_finite(self._run, self.diagnosis))
        return self._tell(settled=final or self._rests)

    def know(self, diagnosis: Diagnosis) -> None:
        """Take over the diagnosis that was made elsewhere of what was read so far. What it says is no news."""
        self.diagnosis = with_accepted(diagnosis, self._config.accepted)
        self._looked_version, self._looked_points = self._version, self._points
        if self._run is not None:
            self._looked_non_finite = frozenset(_ending_non_finite(self._run, diagnosis))
        self._tell(settled=True)

    def accept(self, accepted: Sequence[Acceptance]) -> None:
        """From now on these acceptances count, also in what was found before. What that changes is no news."""
        if tuple(accepted) == self._config.accepted:
            return
        self._config = replace(self._config, accepted=tuple(accepted))
        if self.diagnosis is not None:
            self.diagnosis = with_accepted(self.diagnosis, accepted)

    def settle(self) -> list[Change]:
        """What the last look left open, once the log rests and no more data will decide it."""
        if self._has_news or not self._rests or self._settled_version == self._version or not self._ledger.unsettled:
            return []
        return self._tell(settled=True)

    @property
    def _has_news(self) -> bool:
        return self._run is not None and self._looked_version != self._version

    @property
    def _rests(self) -> bool:
        return self._clock.now_s() - self.grew_at_s >= self._rest_s

    def _tell(self, *, settled: bool) -> list[Change]:
        if self.diagnosis is None:
            return []
        if settled:
            self._settled_version = self._version
        return self._ledger.look(self.diagnosis, self._clock.wall_s(), settled=settled)


def _ending_non_finite(run: Run, diagnosis: Diagnosis | None) -> dict[str, int]:
    """The losses, as they were understood the last time, that end in points that are NaN or infinite; in how many.

    Counted up to one more than ``FRESH_POINTS``.
    """
    if diagnosis is None:
        return {}
    losses = (run.series.get(tag) for tag in (*diagnosis.signals.train_loss, *diagnosis.signals.val_loss.values()))
    tails = {}
    for loss in losses:
        finite = np.empty(0) if loss is None else np.isfinite(loss.value[-FRESH_POINTS - 1 :])
        if loss is not None and len(finite) and not finite[-1]:
            tails[loss.tag] = len(finite) - 1 - int(np.flatnonzero(finite).max(initial=-1))
    return tails


def _rest_s(run: Run) -> float:
    """After how long without anything new this log rests."""
    longest = max(run.series.values(), key=len, default=None)
    pauses = np.diff(longest.wall_time[-RECENT_POINTS:]) if longest is not None else np.empty(0)
    pauses = pauses[np.isfinite(pauses)]
    if len(pauses) == 0:
        return UNKNOWN_REST_S
    return float(np.clip(PAUSES * pauses.max(), SHORTEST_REST_S, LONGEST_REST_S))
