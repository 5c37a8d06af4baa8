"""What a log format is to the rest of the house, and which files make one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainvitals.model import Run

Purging = Literal["session", "step", "none"]


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one run.

    Args:
        root: the run's folder; the file itself where a folder holds several runs in a file each.
        name: short, for a person.
        format: name of the format that reads them.
        files: each with the prefix of its tags: the subfolder below ``root``, with ``/`` between its parts, or ``""``.
        alternatives: the same run in poorer formats, the best first, for when these files hold nothing to judge.
    """

    root: Path
    name: str
    format: str
    files: tuple[tuple[str, Path], ...]
    alternatives: tuple[RunFiles, ...] = ()

    def where(self, path: Path) -> str:
        """A file's name inside the run."""
        return path.relative_to(self.root).as_posix() if path != self.root else path.name


@dataclass(frozen=True, slots=True)
class Format:
    """One log format.

    Args:
        name: as ``Run.format`` or the family of it.
        recognise: whether a file is such a log, from its name and first bytes. Asked of every file in a tree, so it
            says no to anything that only might be one.
        read: the run in some files of this format. Raises LogError where none of them can be read.
        joins: whether all files of this format in one folder are one run, rather than a run each.
    """

    name: str
    recognise: Callable[[str, bytes], bool]
    read: Callable[[RunFiles, Purging], Run]
    joins: bool = False
