"""Where a run that was interrupted goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainvitals.errors import LogError

if TYPE_CHECKING:
    from pathlib import Path


def last_step(folder: Path) -> int:
    """The last step recorded in a folder, -1 where there is none."""
    from trainvitals import read_run

    try:
        found = read_run(folder).last_step
    except LogError:
        return -1
    return -1 if found is None else found
