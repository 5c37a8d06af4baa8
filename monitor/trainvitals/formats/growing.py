"""A run that may still be growing, in whatever format it is logged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainvitals.errors import LogError
from trainvitals.formats.format import Purging, RunFiles
from trainvitals.formats.read import mistakes_told, read_files, read_one
from trainvitals.formats.tensorboard import FORMAT_NAME, TensorBoardLog
from trainvitals.model import Run

_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """What some files held when they looked like this."""

    stamps: tuple[_Stamp, ...]
    outcome: Run | LogError


class GrowingRun:
    """One run, read again and again. Event files are read on from where they ended; others anew whenever they changed.

    Args:
        purge: as for ``read_run``.
    """

    def __init__(self, purge: Purging = "session") -> None:
        self._purge = purge
        self._found: dict[Path, RunFiles] = {}
        self._event_logs: dict[Path, TensorBoardLog] = {}
        self._readings: dict[RunFiles, _Reading] = {}
        self._outcomes: list[Run | str] = []
        self._run: Run | None = None

    def poll(self, files: RunFiles) -> Run:
        """The run as it is now; the same object if nothing has changed.

        Args:
            files: those that belong to the run at this moment.

        Raises:
            LogError: it cannot be read in any of its formats at this moment.
        """
        ways = (files, *files.alternatives)
        self._found = {way.root: way for way in ways if way.format == FORMAT_NAME}
        self._event_logs = {root: log for root, log in self._event_logs.items() if root in self._found}
        self._readings = {way: reading for way, reading in self._readings.items() if way in ways}
        outcomes: list[Run | str] = []

        def read(way: RunFiles, _purge: Purging) -> Run:
            try:
                run = self._event_run(way.root) if way.format == FORMAT_NAME else self._table_run(way)
            except LogError as error:
                outcomes.append(error.message())
                raise
            outcomes.append(run)
            return run

        run = read_files(files, self._purge, read=read)
        if self._run is None or outcomes != self._outcomes:
            self._run, self._outcomes = run, outcomes
        return self._run

    def _event_run(self, root: Path) -> Run:
        log = self._event_logs.get(root)
        if log is None:
            log = self._event_logs[root] = TensorBoardLog(lambda: self._found[root], purge=self._purge)
        with mistakes_told(self._found[root]):
            return log.poll()

    def _table_run(self, files: RunFiles) -> Run:
        stamps = tuple(_stamp(path) for _, path in files.files)
        known = self._readings.get(files)
        if known is None or known.stamps != stamps:
            try:
                known = _Reading(stamps, read_one(files, self._purge))
            except LogError as error:
                known = _Reading(stamps, error)
            self._readings[files] = known
        if isinstance(known.outcome, LogError):
            raise known.outcome
        return known.outcome


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
