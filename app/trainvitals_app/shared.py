"""What all sessions of a server share: the list of runs, and the runs that are open."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from trainvitals.config import Acceptance, Config
from trainvitals.kept import KeptDiagnoses, default_store
from trainvitals.session import settings
from trainvitals_app.runs.catalogue import Catalogue
from trainvitals_app.runs.open_runs import OpenRuns
from trainvitals_app.runs.pool import Pool
from trainvitals_app.serving.roots import Roots, find_roots

MOST_AT_ONCE = 2


def roots() -> Roots:
    """The paths that were given after ``--``, else the usual ones of the working folder, else the samples."""
    return find_roots(sys.argv[1:], Path.cwd())


def config() -> Config:
    """The settings of the nearest file, as for the command line.

    Raises:
        ConfigError: the file cannot be understood.
    """
    here = Path.cwd()
    files = (folder / name for folder in (here, *here.parents) for name in ("trainvitals.toml", "pyproject.toml"))
    return _settings_as_of(tuple(map(_stamp, files)))


def begin(paths: Sequence[str]) -> None:
    """Begin to read and judge before anybody looks.

    Args:
        paths: those that the server will be started with.

    Raises:
        ConfigError: the settings cannot be understood.
    """
    _shared(find_roots(paths, Path.cwd()))


def let_go() -> None:
    """End all reading and judging. Who asks again begins anew."""
    with _lock:
        released = list(_made.values())
        _made.clear()
    for each in released:
        each.close()


def catalogue() -> Catalogue:
    """Every run at the roots."""
    return _shared(roots()).catalogue


def open_runs() -> OpenRuns:
    """The runs that pages look into."""
    return _shared(roots()).open_runs


@lru_cache(maxsize=4)
def _settings_as_of(_stamps: tuple[tuple[str, int, int], ...]) -> Config:
    # A page asks several times while it is drawn, and each time all of these files would be parsed.
    return settings()


def _stamp(file: Path) -> tuple[str, int, int]:
    try:
        status = file.stat()
    except OSError:
        return str(file), 0, 0
    return str(file), status.st_mtime_ns, status.st_size


class _Shared:
    """What belongs to some roots and settings, whatever is accepted."""

    def __init__(self, shown: Roots, config: Config) -> None:
        self.catalogue = Catalogue(shown, Pool(KeptDiagnoses(config, default_store())))
        self.open_runs = OpenRuns(self.catalogue, config)

    def accept(self, accepted: tuple[Acceptance, ...]) -> None:
        self.catalogue.accept(accepted)
        self.open_runs.accept(accepted)

    def close(self) -> None:
        self.open_runs.close()
        self.catalogue.close()


def _shared(shown: Roots) -> _Shared:
    """What belongs to these roots and the settings as they are now. Settings that judge otherwise make another one; the
    one before stays for sessions that have not run since."""
    with _lock:
        told = config()
        judging = replace(told, accepted=())
        # Settings hold lists, which cannot be looked up.
        key = repr(shown), repr(judging)
        if key not in _made:
            _made[key] = _Shared(shown, judging)
        _made.move_to_end(key)
        released = [_made.popitem(last=False)[1] for _ in range(len(_made) - MOST_AT_ONCE)]
        found = _made[key]
        found.accept(told.accepted)
    for each in released:
        each.close()
    return found


# Not a cache of Streamlit's: loading Streamlit takes longer than all else until the first runs are read.
_lock = threading.Lock()
_made: OrderedDict[tuple[str, str], _Shared] = OrderedDict()
