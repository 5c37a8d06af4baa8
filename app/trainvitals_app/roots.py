"""Which paths the app shows, and what lies inside of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """

    paths: tuple[Path, ...]
    origin: Origin

    def hold(self, path: Path) -> bool:
        """Whether a path lies inside a root once every link on the way is followed."""
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        return any(real.is_relative_to(root.resolve()) for root in self.paths)


def find_roots(arguments: Sequence[str], folder: Path) -> Roots:
    """The roots for some arguments of the command line.

    Args:
        arguments: paths, relative to ``folder`` or absolute; they need not exist yet.
        folder: the working folder; without arguments its usual folders are shown, else the samples.
    """
    given = tuple(dict.fromkeys((folder / Path(argument).expanduser()).absolute() for argument in arguments))
    if given:
        return Roots(given, "given")
    usual = tuple(folder.absolute() / name for name in USUAL_FOLDERS if (folder / name).is_dir())
    if usual:
        return Roots(usual, "usual")
    try:
        return Roots((sample_logs(),), "samples")
    except LogError:
        return Roots((), "samples")
