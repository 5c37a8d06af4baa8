"""Where a run's event files go: a new process is a new run, in a folder of its own."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = "runs"
EVENT_FILES = "*tfevents*"
_NOT_IN_A_NAME = re.compile(r"[^\w.-]+")


def choose_folder(logdir: str | os.PathLike[str] | None, *, resume: bool) -> Path:
    """Make and give the folder of a run.

    Without ``logdir`` it is ``runs/<time>_<script>``. A ``logdir`` that already holds event files gets a fresh
    subfolder named after the time, unless the run is to be resumed.

    Raises:
        OSError: the folder cannot be made.
    """
    if logdir is not None:
        folder = Path(logdir).absolute()
        if resume or not holds_run(folder):
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        return _first_free(folder / name for name in _numbered(_now()))
    return _first_free(Path(PARENT).absolute() / name for name in _numbered(f"{_now()}_{_script()}"))


def holds_run(folder: Path) -> bool:
    """Whether event files lie in the folder itself."""
    return any(folder.glob(EVENT_FILES))


def _first_free(candidates: Iterator[Path]) -> Path:
    for folder in candidates:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("there are endless names")


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


def _script() -> str:
    stem = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] else ""
    return _NOT_IN_A_NAME.sub("-", stem) or "interactive"
