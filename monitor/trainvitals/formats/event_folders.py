"""Which folders of event files are one run: the subfolders that a run's own writers make, and all others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trainvitals.errors import LogError
from trainvitals.formats.event_tags import HPARAMS_FOLDER
from trainvitals.formats.files import read_head
from trainvitals.formats.folders import Folder
from trainvitals.formats.format import RunFiles
from trainvitals.formats.names import SPLITS
from trainvitals.formats.tensorboard import FORMAT

RUN_OF_ITS_OWN = re.compile(r"(version|seed|rank|run|fold|trial|exp|worker)[-_]?\d*", re.IGNORECASE)
WRITER = re.compile(r"tfevents\.\d+\.(?P<process>.+\.\d+)\.\d+(\.v2)?$")

# The first scalar of a folder that ``add_scalars`` made stands right behind the file's version record.
EVIDENCE_BYTES = 64 * 1024

# What frames each record of an event file: its length and two checksums.
LENGTH_BYTES = 8
FRAME_BYTES = 16


def event_runs(folders: Mapping[Path, Folder], top: Path) -> dict[Path, RunFiles]:
    """One run for each folder of event files, with the subfolders that belong to it.

    Args:
        folders: the folders that hold logs.
        top: where the search began; nothing is joined with a folder above it.
    """
    owner: dict[Path, Path] = {}
    with_events = {path for path, folder in folders.items() if FORMAT.name in folder.logs}
    for path in with_events:
        owner[path] = path.parent if path != top and _belongs_to_parent(path, folders, with_events) else path

    files: dict[Path, list[tuple[str, Path]]] = {}
    for path in sorted(with_events):
        root = path
        while root in owner and owner[root] != root:
            root = owner[root]
        prefix = path.relative_to(root).as_posix() if path != root else ""
        files.setdefault(root, []).extend((prefix, file) for file in folders[path].logs[FORMAT.name])
    return {root: RunFiles(root, root.name, FORMAT.name, tuple(found)) for root, found in files.items()}


def _belongs_to_parent(path: Path, folders: Mapping[Path, Folder], with_events: set[Path]) -> bool:
    if set(folders[path].logs) != {FORMAT.name}:
        return False
    parent = path.parent
    if path.name.lower() in SPLITS:
        siblings = {other for other in folders if other != path and other.parent == parent}
        split_siblings = {other for other in siblings & with_events if other.name.lower() in SPLITS}
        return parent in with_events or bool(split_siblings) or not siblings
    if parent not in with_events:
        return False
    if HPARAMS_FOLDER.fullmatch(path.name):
        return True
    try:
        return _made_by_add_scalars(path, folders[path].logs[FORMAT.name], folders[parent].logs[FORMAT.name])
    except LogError:
        return False


def _made_by_add_scalars(path: Path, files: list[Path], files_of_parent: list[Path]) -> bool:
    """Whether a folder is called ``<main tag>_<name>`` after the main tag in its file, as ``add_scalars`` does it."""
    name = path.name
    if "_" not in name:
        return False
    if all(_holds_one_record(file) for file in files):
        writers = {match["process"] for file in files_of_parent if (match := WRITER.search(file.name))}
        same = any((match := WRITER.search(file.name)) and match["process"] in writers for file in files)
        return same and not RUN_OF_ITS_OWN.fullmatch(name)
    main_tags = [name[: match.start()] for match in re.finditer("_", name)]
    patterns = [
        rb"\x0a" + re.escape(bytes([len(tag)])) + re.escape(tag).replace(b"_", b"[_/]")
        for tag in (each.encode("utf-8", errors="surrogateescape") for each in main_tags)
        if 0 < len(tag) < 128
    ]
    if not patterns:
        return False
    evidence = re.compile(b"|".join(patterns))
    return any(evidence.search(read_head(file, EVIDENCE_BYTES)) for file in files)


def _holds_one_record(file: Path) -> bool:
    """Whether an event file holds its version alone, as one does whose process died right away."""
    head = read_head(file, EVIDENCE_BYTES)
    return len(head) <= int.from_bytes(head[:LENGTH_BYTES], "little") + FRAME_BYTES
