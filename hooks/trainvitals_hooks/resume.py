"""Where a run that was interrupted goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainvitals.errors import LogError

if TYPE_CHECKING:
    from pathlib import Path


def last_step(folder: Path) -> int:
    """The last step recorded in a folder, -1 where there is none. Runs in folders below it are others."""
    from trainvitals.formats.discovery import find_runs
    from trainvitals.formats.read import read_files

    try:
        runs = [read_files(files) for files in find_runs(folder) if files.root == folder]
    except LogError:
        return -1
    return max((run.last_step for run in runs if run.last_step is not None), default=-1)
