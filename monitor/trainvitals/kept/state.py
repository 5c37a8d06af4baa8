"""Which run it is, and in which state: what a kept verdict is found by."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trainvitals.config import Config
from trainvitals.eventfile.pending import pending_path
from trainvitals.formats.format import RunFiles
from trainvitals.kept.code import digest_of_code, has_plugins

# Some file systems keep times to two seconds: what changed within them may change again without showing it.
COARSEST_CLOCK_S = 2.0
NANOSECONDS = 1e-9


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the directory tells of a file, and a digest of a file that may change behind the directory's back."""

    size: int
    changed_ns: int
    status_changed_ns: int
    inode: int
    device: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """The files of a run at one moment; None for one that is not there."""

    stamps: tuple[Stamp | None, ...]

    @classmethod
    def of(cls, files: RunFiles) -> State:
        """How the files look now."""
        return cls(tuple(_stamps(files)))

    @property
    def grew_at_s(self) -> float:
        """When the newest file was changed, in seconds since the epoch; NaN where there is none."""
        return max((stamp.changed_ns * NANOSECONDS for stamp in self.stamps if stamp), default=math.nan)

    def rested(self, now_s: float) -> bool:
        """Whether every change from now on will show in the state."""
        newest_ns = max(
            (time_ns for stamp in self.stamps if stamp for time_ns in (stamp.changed_ns, stamp.status_changed_ns)),
            default=0,
        )
        return newest_ns * NANOSECONDS < now_s - COARSEST_CLOCK_S

    def digest(self) -> str:
        """The state and the code that looks at it, in a word."""
        return _digest(*map(repr, self.stamps), digest_of_code())


def place_of(files: RunFiles, config: Config, run_id: str) -> str:
    """Which run was judged by which settings, in a word; the same however its files grow.

    The id is a part of it only with plugins, of whose verdicts it may be a part. Else a run is found again whatever it
    is called beside others.
    """
    identity = (run_id, str(files.root)) if has_plugins() else ()
    return _digest(repr(replace(config, accepted=(), fail_on="never")), *identity, *_names(files))


def _names(files: RunFiles) -> Iterator[str]:
    for way in (files, *files.alternatives):
        yield f"{way.format} {way.name} {len(way.files)}"
        for prefix, path in way.files:
            yield from (prefix, way.where(path), os.path.realpath(path))


def _stamps(files: RunFiles) -> Iterator[Stamp | None]:
    for way in (files, *files.alternatives):
        for _, path in way.files:
            yield _stamp(path)
            beside = pending_path(path)
            if beside != path:
                # What is stored to mapped memory leaves size and time of the file as they were.
                yield _stamp(beside, read=True)


def _stamp(path: Path, *, read: bool = False) -> Stamp | None:
    try:
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if read else ""
    except OSError:
        return None
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return Stamp(status.st_size, *times, status.st_ino, status.st_dev, digest)


def _digest(*parts: str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", errors="surrogatepass")
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()
