"""The folder that a Hugging Face Trainer writes to: its state, its checkpoints, and the event files of its launches."""

from __future__ import annotations

import re
from pathlib import Path

from trainvitals.formats.folders import Folder
from trainvitals.formats.format import RunFiles
from trainvitals.formats.hf_trainer_state import FORMAT

CHECKPOINT = re.compile(r"checkpoint-\d+")
EVENT_FOLDERS = ("runs", "logs")
"""Where a Trainer writes its event files unless told otherwise, and where its examples tell it to."""
LAUNCH = re.compile(r"\w+\d\d_\d\d-\d\d-\d\d_.+")
"""A folder named after the moment and the host of a launch, such as ``Jan01_12-30-59_host``."""


def gather_checkpoints(folders: dict[Path, Folder], top: Path) -> None:
    """Move the states of ``checkpoint-*`` to the folder that they are in."""
    for path in [path for path in folders if CHECKPOINT.fullmatch(path.name) and path != top]:
        states = folders[path].logs.pop(FORMAT.name, [])
        if states:
            folders.setdefault(path.parent, Folder(path.parent)).logs.setdefault(FORMAT.name, []).extend(states)
        if not folders[path].logs:
            del folders[path]


def join_event_files(
    folders: dict[Path, Folder], events: dict[Path, RunFiles]
) -> tuple[dict[Path, RunFiles], dict[Path, list[RunFiles]]]:
    """Give a Trainer's folder the event files of its launch.

    One launch is the same run as the state, told better. Of several launches the state tells what counted in the end;
    they become alternatives to it.

    Returns:
        The runs of event files, by folder; and for each Trainer's folder its launches, where there are several.
    """
    launches: dict[Path, list[RunFiles]] = {}
    for root, run in list(events.items()):
        owner = next((parent for parent in root.parents if _is_trainers(parent, root, folders)), None)
        if owner is not None and owner not in events:
            launches.setdefault(owner, []).append(run)
    events = {root: run for root, run in events.items() if not any(run in found for found in launches.values())}
    for owner, found in list(launches.items()):
        if len(found) == 1:
            events[owner] = RunFiles(owner, owner.name, found[0].format, found[0].files)
            del launches[owner]
    return events, launches


def _is_trainers(parent: Path, root: Path, folders: dict[Path, Folder]) -> bool:
    if parent not in folders or FORMAT.name not in folders[parent].logs:
        return False
    below, *launch = root.relative_to(parent).parts
    return below in EVENT_FOLDERS and (not launch or (len(launch) == 1 and LAUNCH.fullmatch(launch[0]) is not None))
