"""From a table to a run: what each row's step is, which cells hold a value, and one series a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainvitals.errors import LogError
from trainvitals.formats.missing import judged_by_their_logging
from trainvitals.formats.names import LONG_TAG_NAMES, SPLIT_NAMES, SPLITS, WALL_TIME_NAMES, normalised
from trainvitals.formats.names import words as words_of
from trainvitals.formats.restarts import find_common_restarts
from trainvitals.formats.step_axis import StepAxis, filled_steps, step_axis, whole_numbers
from trainvitals.formats.table import Column, Table, table_from_columns
from trainvitals.model import Problem, Restart, Run, Series

if TYPE_CHECKING:
    import pandas

    from trainvitals.model import FloatArray

# A time that lies between these is a moment; others are durations since some start. Seconds since the epoch.
EARLIEST_WALL_TIME_S = 946_684_800.0  # 2000-01-01
LATEST_WALL_TIME_S = 4_102_444_800.0  # 2100-01-01
WALL_TIME_UNITS_PER_S = (1.0, 1e3, 1e6, 1e9)

Curve = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""The values ``[T]`` of a tag, and the rows ``[T]`` in which it was recorded."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a table comes from, for the run that is made of it.

    Args:
        path: the folder or file, as ``Run.path``.
        name: as ``Run.name``.
        format: as ``Run.format``.
        where: the file inside the run, for restarts and problems.
    """

    path: str
    name: str
    format: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Notes:
    """What a reader knows of a table beyond its cells.

    Args:
        sessions: rows at which the log itself says that recording started again, increasing.
        hyper_parameters, texts, problems: as in ``Run``.
    """

    sessions: Sequence[int] = ()
    hyper_parameters: Mapping[str, float | str | bool] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def run_from_columns(
    columns: Mapping[str, Sequence[float] | FloatArray] | pandas.DataFrame,
    *,
    step: str | None = None,
    name: str = "run",
) -> Run:
    """A run from equally long columns; documented in ``Run.from_columns``.

    Raises:
        LogError: the columns differ in length, or ``step`` names none of them or one that holds no whole numbers.
    """
    table = table_from_columns(columns)
    if step is not None:
        if step not in table.numbers:
            available = ", ".join((*table.numbers, *table.words)) or "none"
            raise LogError(f"no column {step!r} to count steps by", where=name, hint=f"there are: {available}")
        if not whole_numbers(table.numbers[step]):
            raise LogError(
                f"column {step!r} cannot count steps: not all of it is whole numbers",
                where=name,
                hint="leave `step` out to count rows",
            )
    return run_from_table(table, Origin(path="", name=name, format="columns"), step=step)


def run_from_table(table: Table, origin: Origin, notes: Notes = Notes(), *, step: str | None = None) -> Run:
    """A run from a table: every column of numbers that is neither step nor time becomes a series.

    Args:
        step: the column that counts steps; told from the names if None.
    """
    split, split_column = _splits(table)
    numbers = dict(table.numbers)
    wall_time = np.full(table.rows, np.nan)
    time_column = _wall_time_column(table)
    if time_column is not None:
        time_name, wall_time = time_column
        numbers.pop(time_name, None)
    used = Table(table.rows, numbers, table.words)
    if step is None:
        axis = step_axis(used, _busiest_rows(used, split))
    else:
        axis = StepAxis(filled_steps(table.numbers[step]), frozenset({step}))
    metrics = {
        name: column
        for name, column in numbers.items()
        if column.recorded.any() and name not in axis.columns and not _is_row_number(name, column)
    }
    curves = _curves(judged_by_their_logging(metrics), table.words, split, split_column)

    problems = notes.problems
    rows = np.arange(table.rows)
    if _newest_first(axis.step):
        rows = rows[::-1]
        text = "the rows were in order from the last step to the first; they were read backwards"
        problems = (*problems, Problem("newest-first", origin.where, text))
    series, places = _series(curves, rows, axis.step, wall_time)
    return Run(
        id=origin.name,
        path=origin.path,
        name=origin.name,
        format=origin.format,
        series=series,
        hyper_parameters=notes.hyper_parameters,
        texts=notes.texts,
        restarts=_restarts(series, places, axis.step, notes.sessions, origin.where),
        problems=problems,
    )


def _curves(
    metrics: Mapping[str, Column],
    words: Mapping[str, NDArray[np.object_]],
    split: NDArray[np.object_],
    split_column: str | None,
) -> dict[str, Curve]:
    """The curve of each tag: one a column, or one a column and part of the data, or one a word in a long table."""
    long_tag = next((name for name in words if normalised(name) in LONG_TAG_NAMES and name != split_column), None)
    if long_tag is not None and len(metrics) == 1:
        ((_, column),) = metrics.items()
        return {
            str(tag): (column.value, column.recorded & (words[long_tag] == tag))
            for tag in dict.fromkeys(words[long_tag].tolist())
            if tag
        }
    if split_column is None:
        return {name: (column.value, column.recorded) for name, column in metrics.items()}
    curves: dict[str, Curve] = {}
    for part in dict.fromkeys(split.tolist()):
        in_part = split == part
        for name, column in metrics.items():
            tag = name if not part or words_of(name) & SPLITS.keys() else f"{part}/{name}"
            value, recorded = column.value, column.recorded & in_part
            if tag in curves:
                recorded = recorded | curves[tag][1]
            curves[tag] = (value, recorded)
    return curves


def _series(
    curves: Mapping[str, Curve], rows: NDArray[np.int64], step: NDArray[np.int64], wall_time: NDArray[np.float64]
) -> tuple[dict[str, Series], dict[str, NDArray[np.int64]]]:
    """The series that have a record, and the row of each of their records; equal rows share their arrays."""
    shared: dict[bytes, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = {}
    series: dict[str, Series] = {}
    places: dict[str, NDArray[np.int64]] = {}
    for tag, (value, recorded) in curves.items():
        pattern = np.packbits(recorded).tobytes()
        if pattern not in shared:
            index = rows[recorded[rows]]
            shared[pattern] = (index, step[index], wall_time[index])
        index, at_step, at_time = shared[pattern]
        if len(index):
            series[tag] = Series(tag, at_step, at_time, value[index])
            places[tag] = index
    return series, places


def _restarts(
    series: Mapping[str, Series],
    places: Mapping[str, NDArray[np.int64]],
    step: NDArray[np.int64],
    sessions: Sequence[int],
    where: str,
) -> tuple[Restart, ...]:
    """The restarts that the log announces, and in between those that only the steps tell."""
    distinct = {id(places[tag]): (series[tag].step, places[tag]) for tag in series}
    restarts: list[Restart] = []
    boundaries = [0, *(row for row in sessions if 0 < row < len(step)), len(step)]
    for start, end in pairwise(boundaries):
        if start > 0:
            after, before = int(step[start]), int(step[start - 1])
            restarts.append(Restart(after, before, "session" if after > before else "step-back", where))
        inside = [(at_step, at, (at >= start) & (at < end)) for at_step, at in distinct.values()]
        restarts += find_common_restarts([(at_step[here], at[here]) for at_step, at, here in inside], where=where)
    return tuple(restarts)


def _splits(table: Table) -> tuple[NDArray[np.object_], str | None]:
    """Which part of the data each row ``[T]`` is about, empty where unknown, and the column that says so."""
    for name, words in table.words.items():
        if normalised(name) in SPLIT_NAMES:
            known = {word: SPLITS.get(word.strip().lower(), "") for word in dict.fromkeys(words.tolist())}
            if any(known.values()) and all(part or not word for word, part in known.items()):
                return np.array([known[word] for word in words], dtype=object), name
    return np.full(table.rows, "", dtype=object), None


def _busiest_rows(table: Table, split: NDArray[np.object_]) -> NDArray[np.bool_]:
    """The rows ``[T]`` of the metric, in its most frequent part of the data, that is recorded most often."""
    most = np.zeros(table.rows, dtype=bool)
    parts = dict.fromkeys(split.tolist())
    for column in table.numbers.values():
        if int(column.recorded.sum()) <= int(most.sum()):
            continue
        for part in parts:
            rows = column.recorded & (split == part) if len(parts) > 1 else column.recorded
            if int(rows.sum()) > int(most.sum()):
                most = rows
    return most


def _wall_time_column(table: Table) -> tuple[str, NDArray[np.float64]] | None:
    """The column that holds moments in time, and those in seconds since the epoch ``[T]``."""
    for wanted in WALL_TIME_NAMES:
        for name, column in table.numbers.items():
            if normalised(name) != wanted:
                continue
            for units_per_s in WALL_TIME_UNITS_PER_S:
                if _are_moments(column.value / units_per_s):
                    return name, column.value / units_per_s
        for name, words in table.words.items():
            if normalised(name) == wanted and (seconds := _dates(words)) is not None:
                return name, seconds
    return None


def _dates(words: NDArray[np.object_]) -> NDArray[np.float64] | None:
    """Dates as text in seconds since the epoch ``[T]``, taken as UTC where they name no zone; None if they are none."""
    import warnings

    import pandas

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dates = pandas.to_datetime(pandas.Series(words), errors="coerce", utc=True, format="ISO8601")
    seconds = (dates.dt.tz_localize(None).to_numpy() - np.datetime64(0, "s")) / np.timedelta64(1, "s")
    return seconds if _are_moments(seconds) and np.sum(~np.isnan(seconds)) >= np.sum(words != "") / 2 else None


def _are_moments(seconds: NDArray[np.float64]) -> bool:
    """Whether there are times in seconds since the epoch ``[T]``, and all of them are in our days."""
    known = seconds[np.isfinite(seconds)]
    return bool(len(known)) and bool(np.all((known > EARLIEST_WALL_TIME_S) & (known < LATEST_WALL_TIME_S)))


def _is_row_number(name: str, column: Column) -> bool:
    """Whether a column without a name only numbers the rows, as pandas writes its index."""
    return normalised(name) in ("column_1", "index", "unnamed:_0") and bool(
        np.array_equal(column.value, np.arange(len(column.value)))
    )


def _newest_first(step: NDArray[np.int64]) -> bool:
    """Whether a table lists its last step first: at least three different steps, none after the one above it."""
    strides = np.diff(step)
    return bool(np.all(strides <= 0)) and int(np.sum(strides < 0)) >= 2
