"""Finding log files in a tree of folders, quickly and without walking in circles."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from trainvitals.errors import LogError
from trainvitals.formats.files import unreadable
from trainvitals.formats.registry import FORMATS

HEAD_BYTES = 16 * 1024

# A file with one of these suffixes may be a log by its content; any other only by its name.
SNIFFED_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".log", ".txt"})

# Folders that hold programs and their data, never logs; hidden folders are left out as well.
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "dist-packages"})

OnSkip = Callable[[LogError], None]


@dataclass(frozen=True, slots=True)
class Folder:
    """The log files that lie directly in one folder, by the name of their format."""

    path: Path
    logs: dict[str, list[Path]] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """The folders of a tree that hold logs, and what else was met.

    Args:
        folders: by path.
        files_seen: number of files of any kind.
        empty_logs: log files of 0 bytes.
    """

    folders: dict[Path, Folder] = field(default_factory=dict)
    files_seen: int = 0
    empty_logs: list[Path] = field(default_factory=list)


def scan(root: Path, on_skip: OnSkip) -> Tree:
    """The log files below a folder.

    Links to folders are followed after everything else, and only to folders that were not seen: a link back up ends
    there, and a link called ``latest`` does not hide the folder's own name.

    Args:
        root: the folder.
        on_skip: told of each folder and file that cannot be read.
    """
    tree = Tree()
    seen: set[tuple[int, int]] = set()
    to_do = [root]
    linked: list[Path] = []
    while to_do or linked:
        path = to_do.pop() if to_do else linked.pop(0)
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: natural_order(entry.name))
        except OSError as error:
            on_skip(unreadable(path, error))
            continue
        for entry in entries:
            try:
                if entry.is_file():
                    _add_file(tree, path, entry)
                elif entry.is_dir() and not entry.name.startswith(".") and entry.name not in SKIPPED_FOLDERS:
                    (linked if entry.is_symlink() else to_do).append(path / entry.name)
            except OSError as error:
                on_skip(unreadable(path / entry.name, error))
    return tree


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts ``version_2`` before ``version_10``."""
    return [
        (0, int(part), "") if part.isdecimal() and len(part) < 30 else (1, 0, part) for part in re.split(r"(\d+)", name)
    ]


def format_of(name: str, head: bytes) -> str | None:
    """The name of the format of a file, from its name and first bytes; None where it is no log for certain."""
    return next((each.name for each in FORMATS if each.recognise(name, head)), None)


def _add_file(tree: Tree, folder: Path, entry: os.DirEntry[str]) -> None:
    """Put a file into the tree if it is a log; not a link to another file of the same folder, which is there itself."""
    tree.files_seen += 1
    path = folder / entry.name
    sniffed = PurePath(entry.name.lower()).suffix in SNIFFED_SUFFIXES
    name = format_of(entry.name, _head(path) if sniffed else b"")
    if name is None or (entry.is_symlink() and path.resolve().parent == folder.resolve()):
        return
    if entry.stat().st_size == 0:
        tree.empty_logs.append(path)
        return
    tree.folders.setdefault(folder, Folder(folder)).logs.setdefault(name, []).append(path)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
