"""CSV and TSV logs: Lightning's ``metrics.csv``, the Keras CSVLogger, ``progress.csv`` and any table like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from trainvitals.errors import LogError
from trainvitals.formats.columns import Notes, Origin, run_from_table
from trainvitals.formats.csv_layout import (
    NotATableError,
    cells_of,
    find_layout,
    plain_text,
    without_comments,
)
from trainvitals.formats.csv_text import CsvText, is_readable, parse_csv
from trainvitals.formats.files import read_bytes
from trainvitals.formats.format import Format, Purging, RunFiles
from trainvitals.formats.names import (
    compares_parts_of_data,
    counts_steps,
    is_loss,
    looks_like_training_log,
    may_name_a_metric,
    normalised,
)
from trainvitals.formats.parts import run_of_parts
from trainvitals.model import Run

SUFFIXES = (".csv", ".tsv", ".log", ".txt")

# A header and some rows below it tell enough.
SNIFFED_LINES = 12

# Names that loggers give their tables: here a column that counts steps is enough.
LOGGERS_FILES = ("metrics.csv", "progress.csv", "results.csv")

# What TensorBoard calls the columns of the CSV file of one tag, and where in the file's name that tag stands.
TENSORBOARD_DOWNLOAD = ("wall_time", "step", "value")
TENSORBOARD_TAG = "-tag-"


def is_csv_log(name: str, head: bytes) -> bool:
    """Whether a file is a table of a training run, from its name and first bytes."""
    path = PurePath(name.lower())
    holds_losses = is_loss(path.stem)
    if path.suffix not in SUFFIXES:
        return False
    if not holds_losses and not may_name_a_metric(head.split(b"\n", SNIFFED_LINES)[:SNIFFED_LINES]):
        return False
    try:
        text, commented_header = without_comments(plain_text(head, name)[0])
        lines = [line for line in text.split(b"\n")[:-1] if line.strip()][:SNIFFED_LINES] or [text]
        layout = find_layout(b"\n".join(lines), commented_header)
    except NotATableError:
        return False
    if tuple(map(normalised, layout.names)) == TENSORBOARD_DOWNLOAD:
        return True
    below = lines[lines.index(layout.header) + 1 :] if layout.header else lines
    rows = [cells_of(line.decode("utf-8", errors="replace"), layout.delimiter) for line in below]
    if not rows:
        return path.name in LOGGERS_FILES and any(counts_steps(column) for column in layout.names)
    numeric, textual = _by_kind(layout.names, rows)
    if path.name in LOGGERS_FILES and len(numeric) > 1 and any(counts_steps(column) for column in numeric):
        return True
    return looks_like_training_log(numeric, textual) or (holds_losses and compares_parts_of_data(numeric))


def read_csv(files: RunFiles, purge: Purging = "session") -> Run:  # noqa: ARG001
    """The run in one CSV file, or in several that hold a part each.

    Steps that go back are kept in the order of recording and reported as restarts, whatever ``purge`` says: no CSV
    logger writes down that a session began.

    Raises:
        LogError: no file holds a table with numbers.
    """

    def read_one(path: Path, where: str) -> Run:
        parsed = parse(path, where)
        return run_of_csv(parsed, files, where)

    return run_of_parts(files, read_one)


def parse(path: Path, where: str) -> CsvText:
    """The table in a file.

    Raises:
        LogError: it cannot be read, or holds no table with numbers.
    """
    try:
        parsed = parse_csv(read_bytes(path), where)
    except NotATableError as error:
        raise LogError(f"not a training log: {error}", where=str(path), hint="a log is a table of numbers") from None
    just_begun = not parsed.table.rows and looks_like_training_log(parsed.names, ())
    if not just_begun and not any(column.recorded.any() for column in parsed.table.numbers.values()):
        raise LogError("not a training log: a table without numbers", where=str(path), hint="log at least a loss")
    return parsed


def run_of_csv(parsed: CsvText, files: RunFiles, where: str) -> Run:
    """The run in a table that was read from a CSV file."""
    origin = Origin(path=str(files.root), name=files.name, format=flavour(parsed.names, where), where=where)
    run = run_from_table(parsed.table, origin, Notes(sessions=parsed.sessions, problems=parsed.problems))
    one_tag = tuple(map(normalised, parsed.names)) == TENSORBOARD_DOWNLOAD and TENSORBOARD_TAG in where
    if one_tag and run.series:
        tag = PurePath(where).stem.split(TENSORBOARD_TAG, 1)[1]
        (value,) = run.series.values()
        return replace(run, series={tag: replace(value, tag=tag)})
    return run


def flavour(names: Sequence[str], where: str) -> str:
    """Which logger wrote a table with these columns: ``lightning-csv``, ``keras-csv``, or any: ``csv``."""
    columns = {normalised(name) for name in names}
    if {"epoch", "step"} <= columns and PurePath(where).name == "metrics.csv":
        return "lightning-csv"
    paired = {name for name in columns if f"val_{name}" in columns}
    if "loss" in columns and "step" not in columns and (paired or {"epoch", "accuracy"} <= columns):
        return "keras-csv"
    return "csv"


def _by_kind(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """The columns with numbers and those with other text, told apart as ``parse_csv`` does; empty ones are neither."""
    numeric: list[str] = []
    textual: list[str] = []
    for i, name in enumerate(names):
        cells = [row[i] for row in rows if i < len(row) and row[i]]
        readable = sum(map(is_readable, cells))
        if cells:
            (numeric if 2 * readable >= len(cells) else textual).append(name)
    return numeric, textual


FORMAT = Format("csv", is_csv_log, read_csv)
