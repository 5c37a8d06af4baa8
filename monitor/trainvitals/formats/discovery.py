"""Which runs there are at a path, and which files belong to each."""

from __future__ import annotations

import stat
from pathlib import Path

from trainvitals.errors import LogError
from trainvitals.formats import tensorboard
from trainvitals.formats.event_folders import event_runs
from trainvitals.formats.files import HINT, read_head, unreadable
from trainvitals.formats.folders import Folder, OnSkip, Tree, format_of, natural_order, scan
from trainvitals.formats.format import RunFiles
from trainvitals.formats.hf_folders import gather_checkpoints, join_event_files
from trainvitals.formats.json_lines import ONE_OBJECT_A_LINE
from trainvitals.formats.names import SPLITS, words
from trainvitals.formats.registry import BY_NAME, rank

LOOKED_FOR = "looked for TensorBoard event files, trainer_state.json, and CSV or JSON logs with a loss"


def find_runs(path: Path, on_skip: OnSkip | None = None) -> list[RunFiles]:
    """The runs in a file, a run folder or a tree of folders, in natural order of their paths.

    A folder whose own files are logs is a run. Its subfolders ``train``, ``val``, ``validation``, ``test``, ``eval``,
    and those that ``add_scalars`` and ``add_hparams`` make, belong to it; other subfolders are runs of their own.
    A Trainer's checkpoints belong to the folder above them. Where a folder has the same run in several formats, the
    one that tells most is read. Tables that lie in one folder without any of that are a run each.

    Args:
        path: where to look.
        on_skip: told of folders and files in a tree that cannot be read.

    Raises:
        LogError: nothing can be read at the path, or it holds no log.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(path, error) from None
    if stat.S_ISREG(mode):
        return [_run_in_file(path)]
    if not stat.S_ISDIR(mode):
        raise LogError("neither a file nor a folder", where=str(path), hint=HINT)
    skipped: list[LogError] = []
    tree = scan(path, skipped.append)
    runs = _runs_in_tree(tree, path)
    if not runs:
        raise _nothing_found(path, tree, skipped)
    for failure in skipped:
        if on_skip is not None:
            on_skip(failure)
    return sorted(runs, key=lambda run: ([natural_order(part) for part in run.root.parts], run.name))


def _run_in_file(path: Path) -> RunFiles:
    """The run in a file that was named: it is read as a log if there is any way to."""
    head = read_head(path)
    name = format_of(path.name, head)
    if name is None:
        if b"\0" in head[:1024] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise LogError("not a training log: a binary file of unknown kind", where=str(path), hint=HINT)
        in_json = path.suffix.lower() in ONE_OBJECT_A_LINE or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
        name = "jsonl" if in_json else "csv"
    return RunFiles(path, path.name, name, (("", path),))


def _runs_in_tree(tree: Tree, top: Path) -> list[RunFiles]:
    gather_checkpoints(tree.folders, top)
    events, launches = join_event_files(tree.folders, event_runs(tree.folders, top))
    tables = {path: _units_beside_events(folder) for path, folder in tree.folders.items()}

    runs: list[RunFiles] = []
    for path in dict.fromkeys((*events, *tables)):
        units = [*([events[path]] if path in events else []), *tables.get(path, [])]
        if len(units) > 1 and not any(BY_NAME[unit.format].joins for unit in units):
            runs += units
        elif units:
            runs.append(_one_run(path, units, launches.get(path, [])))
    return runs


def _one_run(folder: Path, units: list[RunFiles], launches: list[RunFiles]) -> RunFiles:
    """The run of a folder that was logged in several ways: the one that tells most, with the others to fall back on."""
    ways = sorted((way for unit in units for way in (unit, *unit.alternatives)), key=lambda way: rank(way.format))
    best, *others = (RunFiles(folder, _name(folder), way.format, way.files) for way in ways)
    return RunFiles(best.root, best.name, best.format, best.files, (*others, *launches))


def _units_beside_events(folder: Folder) -> list[RunFiles]:
    """What lies in one folder besides event files: one unit for all files of a format that joins them, one for each
    table else. Tables that differ in a word like ``train`` and ``val`` are parts of one unit; tables that differ in
    their suffix are the same run twice."""
    units: list[RunFiles] = []
    tables: list[tuple[str, Path]] = []
    for name, paths in folder.logs.items():
        if name == tensorboard.FORMAT.name:
            continue
        if BY_NAME[name].joins:
            files = tuple((path.parent.relative_to(folder.path).as_posix(), path) for path in paths)
            units.append(RunFiles(folder.path, _name(folder.path), name, files))
        else:
            tables += [(name, path) for path in paths]
    tables.sort(key=lambda table: rank(table[0]))
    return [*units, *_units_of_tables(folder, tables)]


def _units_of_tables(folder: Folder, tables: list[tuple[str, Path]]) -> list[RunFiles]:
    by_rest: dict[tuple[str, str], dict[str, Path]] = {}
    for name, path in tables:
        rest, part = _without_split(path.stem)
        if part:
            by_rest.setdefault((name, rest), {}).setdefault(part, path)
    parted = {key: parts for key, parts in by_rest.items() if len(parts) > 1}
    units = [
        RunFiles(folder.path, rest or _name(folder.path), name, tuple(parts.items()))
        for (name, rest), parts in parted.items()
    ]
    in_parts = {path for parts in parted.values() for path in parts.values()}
    by_stem: dict[str, list[RunFiles]] = {}
    for name, path in tables:
        if path not in in_parts:
            by_stem.setdefault(path.stem, []).append(RunFiles(path, path.stem, name, (("", path),)))
    for best, *others in by_stem.values():
        units.append(RunFiles(best.root, best.name, best.format, best.files, tuple(others)))
    return units


def _without_split(stem: str) -> tuple[str, str]:
    """A file's stem without the word that says which part of the data it is about, and that word in our spelling."""
    for word in sorted(words(stem) & SPLITS.keys(), key=lambda word: (-len(word), word)):
        at = stem.lower().find(word)
        return (stem[:at] + stem[at + len(word) :]).strip("_-. "), SPLITS[word]
    return stem, ""


def _name(path: Path) -> str:
    return path.name or path.resolve().name or str(path)


def _nothing_found(path: Path, tree: Tree, skipped: list[LogError]) -> LogError:
    if tree.empty_logs:
        count = len(tree.empty_logs)
        files = f"{count} log files, all" if count > 1 else f"one log file, {tree.empty_logs[0].name},"
        return LogError(f"holds {files} of 0 bytes", where=str(path), hint="nothing was recorded yet")
    if skipped and not tree.files_seen:
        return skipped[0]
    seen = f"none of its {tree.files_seen} files is a training log" if tree.files_seen else "the folder holds no files"
    return LogError(seen, where=str(path), hint=LOOKED_FOR)
