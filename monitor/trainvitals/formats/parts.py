"""One run from several files that each hold a part of it, such as the training rows and the validation rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from trainvitals.errors import LogError
from trainvitals.formats.format import RunFiles
from trainvitals.formats.names import SPLITS, words
from trainvitals.model import Problem, Run


def run_of_parts(files: RunFiles, read_one: Callable[[Path, str], Run]) -> Run:
    """Read each file and put the parts together.

    Args:
        files: the run's files.
        read_one: gives the run in one file, from its path and its name inside the run.

    Raises:
        LogError: none of the files can be read; where only some can't, that is a problem of the run.
    """
    parts: list[tuple[str, Run]] = []
    problems: list[Problem] = []
    failures: list[LogError] = []
    for prefix, path in files.files:
        try:
            parts.append((prefix, read_one(path, files.where(path))))
        except LogError as error:
            failures.append(error)
            problems.append(Problem("unreadable-file", files.where(path), error.what))
    if not parts:
        raise failures[0]
    return _together(files, parts, problems)


def _together(files: RunFiles, parts: Sequence[tuple[str, Run]], problems: list[Problem]) -> Run:
    series = {}
    for prefix, part in parts:
        for tag, each in part.series.items():
            full = tag if not prefix or words(tag) & SPLITS.keys() else f"{prefix}/{tag}"
            while full in series:
                full = f"{prefix or part.name}/{full}"
            series[full] = type(each)(full, each.step, each.wall_time, each.value)
    return Run(
        id=files.name,
        path=str(files.root),
        name=files.name,
        format=parts[0][1].format,
        series=series,
        hyper_parameters={name: value for _, part in parts for name, value in part.hyper_parameters.items()},
        texts={name: text for _, part in parts for name, text in part.texts.items()},
        restarts=tuple(restart for _, part in parts for restart in part.restarts),
        problems=(*(problem for _, part in parts for problem in part.problems), *problems),
    )
