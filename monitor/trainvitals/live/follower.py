"""Following every growing run at a path."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path

from trainvitals.config import Config
from trainvitals.engine import check_settings
from trainvitals.errors import LogError, TrainvitalsError
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import unique_ids
from trainvitals.live.allowance import MOST_SAVED_S, Allowance
from trainvitals.live.changes import Change
from trainvitals.live.clock import Clock
from trainvitals.live.companion import SHARE
from trainvitals.live.followed_run import FollowedRun
from trainvitals.model import Diagnosis

# What looking for files, reading and diagnosing may take of what following takes, averaged over time and over all runs.
FINDING_PART, READING_PART, DIAGNOSING_PART = 0.1, 0.4, 0.5
# Each run is held in memory; of more than these the ones that were written to last are followed.
MOST_RUNS = 32
# A run that is followed gives way only to one that was written to so much later, or runs that are all written to would
# take turns.
KEEPS_ITS_PLACE_S = 600.0

_Key = tuple[Path, str]


class Follower:
    """Every run at a path while it grows, and what changes in its findings.

    Each ``poll`` does what is due and returns; nothing happens in between, so the caller decides how often: once or
    twice a second is enough. Looking for files, reading and diagnosing are spaced so that they take their share of a
    core in the long run, the first second of loading aside. A loss that becomes non-finite is told at the first poll
    that reads it; everything else after two looks that agree, between which the log grew by 2 % or a minute went by,
    or once the log rests.

    Whatever happens to the files is survived: a path that holds no run yet, files that appear later, are torn,
    truncated, replaced or gone.

    Args:
        path: a log file, a run's folder or a folder of runs; it need not exist yet.
        config: as for ``diagnose``.
        share: the part of one core that following may take.
        alone: follow only the run of the folder itself, none in folders below it.
        clock: for tests.

    Raises:
        ConfigError: the settings name a rule or a threshold that does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Config | None = None,
        *,
        share: float = SHARE,
        alone: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.path = Path(path)
        self.missing: LogError | None = None
        """Why there is no run at the path, if there is none."""
        self.left_out = 0
        """How many runs at the path are not followed, because there are too many."""
        self._config = config or Config()
        check_settings(self._config)
        self._clock = clock or Clock()
        self._runs: dict[_Key, FollowedRun] = {}
        self._alone = alone
        self._finding = Allowance(FINDING_PART * share, self._clock)
        self._reading = Allowance(READING_PART * share, self._clock)
        self._diagnosing = Allowance(DIAGNOSING_PART * share, self._clock, saved_s=MOST_SAVED_S)
        self._is_warm = False
        self._began_at_s = self._clock.now_s()

    @property
    def runs(self) -> tuple[FollowedRun, ...]:
        """The runs that are followed, in natural order of their paths."""
        return tuple(self._runs.values())

    @property
    def troubles(self) -> list[TrainvitalsError]:
        """What stands in the way at this moment: no run at the path, runs that cannot be read or diagnosed."""
        missing = [] if self.missing is None or self._runs else [self.missing]
        return [*missing, *(run.trouble for run in self.runs if run.trouble is not None)]

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """The newest diagnosis of each run that has one."""
        return [run.diagnosis for run in self.runs if run.diagnosis is not None]

    @property
    def idle_s(self) -> float:
        """For how long nothing has grown."""
        return self._clock.now_s() - max((run.grew_at_s for run in self.runs), default=self._began_at_s)

    def take_share(self, share: float) -> None:
        """From now on, take this part of one core."""
        self._finding.share = FINDING_PART * share
        self._reading.share = READING_PART * share
        self._diagnosing.share = DIAGNOSING_PART * share

    def poll(self, *, in_a_hurry: bool = False) -> list[Change]:
        """Do what is due: look for runs, read what was added, diagnose where that is worth it. What changed.

        Args:
            in_a_hurry: something urgent was logged, so that reading does not wait until it is due.
        """
        if self._finding.is_due or (in_a_hurry and not self._runs):
            with self._finding.spending():
                self._find()
        if self._reading.is_due or (in_a_hurry and self._reading.may_borrow):
            with self._reading.spending():
                for run in self.runs:
                    run.read()
        changes = [change for run in self.runs for change in run.settle()]
        for run in sorted(self.runs, key=lambda run: (not run.is_urgent, run.looked_at_s)):
            if self._may_look(run):
                changes += self._look(run)
        return changes

    def finish(self) -> list[Change]:
        """Read and diagnose everything to its end, whatever it costs. What changed, needing no confirmation now."""
        self._find()
        changes: list[Change] = []
        for run in self.runs:
            run.read()
            changes += run.look(final=True)
        return changes

    def _may_look(self, run: FollowedRun) -> bool:
        if run.is_new or run.is_urgent:
            return self._diagnosing.may_borrow
        return run.is_worth_a_look and self._diagnosing.is_due

    def _look(self, run: FollowedRun) -> list[Change]:
        if not self._is_warm:
            # The first diagnosis loads scipy. That cost comes once and says nothing about the next ones.
            self._is_warm = True
            return run.look()
        with self._diagnosing.spending():
            return run.look()

    def _find(self) -> None:
        try:
            found = find_runs(self.path)
        except LogError as error:
            found, self.missing = [], error
        else:
            self.missing = None
        if self._alone:
            found = [files for files in found if files.root == self.path]
        followed = _written_last(found, MOST_RUNS, self._runs)
        self.left_out = len(found) - len(followed)
        names = dict(zip(map(_key, found), unique_ids([(self.path, files) for files in found]), strict=True))
        runs: dict[_Key, FollowedRun] = {}
        for files in followed:
            key = _key(files)
            run = self._runs.pop(key, None) or FollowedRun(names[key], files, self._config, self._clock)
            run.id, run.files = names[key], files
            runs[key] = run
        for key, gone in self._runs.items():
            if key not in names and len(runs) < MOST_RUNS:
                gone.let_go()
                runs[key] = gone
        self._runs = runs


def _key(files: RunFiles) -> _Key:
    return files.root.resolve(), files.name


def _written_last(found: list[RunFiles], most: int, followed: Container[_Key]) -> list[RunFiles]:
    """At most so many of the runs, those whose files changed last, in the order given."""
    if len(found) <= most:
        return found

    def rank(files: RunFiles) -> float:
        return _changed_at(files) + (KEEPS_ITS_PLACE_S if _key(files) in followed else 0.0)

    chosen = {_key(files) for files in sorted(found, key=rank, reverse=True)[:most]}
    return [files for files in found if _key(files) in chosen]


def _changed_at(files: RunFiles) -> float:
    return max((_modified(path) for _, path in files.files), default=0.0)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
