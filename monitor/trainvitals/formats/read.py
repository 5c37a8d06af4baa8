"""From paths to runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from trainvitals.errors import LogError
from trainvitals.formats.discovery import find_runs
from trainvitals.formats.format import Purging, RunFiles
from trainvitals.formats.registry import BY_NAME
from trainvitals.model import Problem, Run

# What Lightning records at the start whether or not the run ever logs a thing.
NOTHING_BUT = frozenset({"hp_metric"})

# How many names an error message lists.
NAMED_RUNS = 3

OnError = Callable[[LogError], None]
OnProgress = Callable[[int, int], None]
ReadOne = Callable[[RunFiles, Purging], Run]


def read_run(path: str | os.PathLike[str], *, purge: Purging = "session") -> Run:
    """The one run at a path.

    Args:
        path: a log file, or a folder that holds one run.
        purge: what to do with points that event files recorded before a restart: ``session`` drops those that a START
            record declares void, ``step`` keeps the newest wherever steps go back, ``none`` keeps all.

    Raises:
        LogError: there is no readable log at the path, or there are several.
    """
    found = find_runs(Path(path))
    if len(found) > 1:
        names = ", ".join(files.name for files in found[:NAMED_RUNS])
        more = ", …" if len(found) > NAMED_RUNS else ""
        raise LogError(
            f"holds {len(found)} runs: {names}{more}", where=str(path), hint="use read_runs, or give the path of one"
        )
    return replace(read_files(found[0], purge), id=unique_ids([(Path(path), found[0])])[0])


def read_runs(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    purge: Purging = "session",
    on_error: OnError | None = None,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> Iterator[Run]:
    """All runs at some paths, one after the other, each under an id that no other has: its path, as short as can be.

    Args:
        paths: files, run folders, trees of runs; what several of them hold is read once.
        purge: as for ``read_run``.
        on_error: told of each path, folder or run that cannot be read; the others are read nevertheless.
        jobs: how many processes read. With more than one, a script calls this below ``if __name__ == "__main__"``.
        on_progress: told the number of runs done and of all, at the start and after each.

    Raises:
        LogError: something cannot be read and there is no ``on_error``.
    """
    refuse = on_error or _raise
    found = named_runs(paths, on_error)
    if on_progress is not None:
        on_progress(0, len(found))
    results = _read_all(list(found.values()), purge, jobs)
    for done, (run_id, result) in enumerate(zip(found, results, strict=True), start=1):
        if on_progress is not None:
            on_progress(done, len(found))
        if isinstance(result, LogError):
            refuse(result)
        else:
            yield replace(result, id=run_id)


def named_runs(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], on_error: OnError | None = None
) -> dict[str, RunFiles]:
    """The files of all runs at some paths, by the id that each gets beside the others.

    Args:
        paths: as for ``read_runs``.
        on_error: told of each path or folder that cannot be looked into.

    Raises:
        LogError: something cannot be looked into and there is no ``on_error``.
    """
    refuse = on_error or _raise
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: dict[tuple[Path, str], tuple[Path, RunFiles]] = {}
    for path in map(Path, given):
        try:
            for files in find_runs(path, refuse):
                found.setdefault((files.root.resolve(), files.name), (path, files))
        except LogError as error:
            refuse(error)
    ids = unique_ids(list(found.values()))
    return {run_id: files for run_id, (_, files) in zip(ids, found.values(), strict=True)}


def read_files(files: RunFiles, purge: Purging = "session", *, read: ReadOne | None = None) -> Run:
    """The run in the files that were found for it; in its next best format where the best holds nothing to judge.

    Args:
        files: the files of one run.
        purge: as for ``read_run``.
        read: what reads the run in one of its formats; ``read_one`` if None.

    Raises:
        LogError: it cannot be read in any of its formats.
    """
    best: Run | None = None
    failures: list[LogError] = []
    for candidate in (files, *files.alternatives):
        try:
            run = (read or read_one)(candidate, purge)
        except LogError as error:
            failures.append(error)
            continue
        if best is None:
            best = run
        if any(len(series) for tag, series in run.series.items() if tag not in NOTHING_BUT):
            best = run
            break
    if best is None:
        raise failures[0]
    problems = (Problem("unreadable-file", error.where or "", error.what) for error in failures)
    return replace(best, name=files.name, path=str(files.root), problems=(*best.problems, *problems))


def read_one(files: RunFiles, purge: Purging) -> Run:
    """The run in its best format only.

    Raises:
        LogError: it cannot be read.
    """
    with mistakes_told(files):
        return BY_NAME[files.format].read(files, purge)


@contextmanager
def mistakes_told(files: RunFiles) -> Iterator[None]:
    """Turn whatever a reader raises by mistake into a ``LogError`` that says so."""
    try:
        yield
    except LogError:
        raise
    except Exception as error:
        raise LogError(
            f"its {files.format} reader failed: {type(error).__name__}: {error}",
            where=str(files.root),
            hint="this is a mistake of trainvitals; please report it with the file",
        ) from error


def _read_or_error(files: RunFiles, purge: Purging) -> Run | LogError:
    try:
        return read_files(files, purge)
    except LogError as error:
        return error


def _read_all(found: Sequence[RunFiles], purge: Purging, jobs: int) -> Iterator[Run | LogError]:
    if min(jobs, len(found)) <= 1:
        yield from (_read_or_error(files, purge) for files in found)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(min(jobs, len(found)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_read_or_error, found, [purge] * len(found))


def unique_ids(found: Sequence[tuple[Path, RunFiles]]) -> list[str]:
    """One id a run: its path from the name of the given path on, with as many folders before it as make it unique."""
    paths: list[tuple[str, ...]] = []
    shown: list[int] = []
    for given, files in found:
        root = _absolute(files.root)
        parts = [part for part in root.parts if part != root.anchor]
        parts += [files.name] if files.root.is_dir() and files.name != root.name else []
        paths.append(tuple(parts))
        above = len([part for part in _absolute(given).parent.parts if part != root.anchor])
        shown.append(max(1, len(parts) - above))
    while True:
        ids = ["/".join(parts[-count:]) for parts, count in zip(paths, shown, strict=True)]
        times = Counter(ids)
        clashing = [i for i, each in enumerate(ids) if times[each] > 1 and shown[i] < len(paths[i])]
        if not clashing:
            return _numbered(ids)
        for i in clashing:
            shown[i] += 1


def _numbered(ids: Iterable[str]) -> list[str]:
    """The same, but of those that are equal each after the first with a number behind it."""
    met: Counter[str] = Counter()
    numbered = []
    for each in ids:
        met[each] += 1
        numbered.append(each if met[each] == 1 else f"{each} ({met[each]})")
    return numbered


def _absolute(path: Path) -> Path:
    """The path without ``..``, and with links left as they are: a person knows them by that name."""
    return Path(os.path.normpath(path.absolute()))


def _raise(error: LogError) -> None:
    raise error
