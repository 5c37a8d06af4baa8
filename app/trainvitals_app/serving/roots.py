"""Which paths the app shows, and what lies inside of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from trainvitals.errors import LogError
from trainvitals.samples import sample_logs

Origin = Literal["given", "usual", "samples"]

# Where trainvitals, Lightning and many scripts write when nobody says where.
USUAL_FOLDERS = ("runs", "lightning_logs", "logs")


@dataclass(frozen=True, slots=True)
class Roots:
    """The paths that are shown; nothing outside of them is read.

    Args:
        paths: files and folders as the person knows them, absolute, each once.
        origin: whether they were given, are usual folders of the working folder, or are the samples that came along.
        real: where they lead when every link is followed. Found once: a root that becomes a link later leads nowhere.
    """

    paths: tuple[Path, ...]
    origin: Origin
    real: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "real", tuple(map(os.path.realpath, self.paths)))

    def hold(self, path: Path) -> bool:
        """Whether a path lies inside a root once every link on the way is followed."""
        try:
            real = os.path.realpath(path, strict=True)
        except OSError:
            return False
        return any(real == root or real.startswith(f"{root.rstrip(os.sep)}{os.sep}") for root in self.real)


def find_roots(arguments: Sequence[str], folder: Path) -> Roots:
    """The roots for some arguments of the command line.

    Args:
        arguments: paths, relative to ``folder`` or absolute; they need not exist yet.
        folder: the working folder; without arguments its usual folders are shown, else the samples.
    """
    given = [folder / argument for argument in arguments]
    if given:
        return _roots(given, "given")
    usual = [folder / name for name in USUAL_FOLDERS if (folder / name).is_dir()]
    if usual:
        return _roots(usual, "usual")
    try:
        return _roots([sample_logs()], "samples")
    except LogError:
        return _roots([], "samples")


def _roots(paths: Sequence[Path], origin: Origin) -> Roots:
    return Roots(tuple(dict.fromkeys(path.absolute() for path in paths)), origin)
