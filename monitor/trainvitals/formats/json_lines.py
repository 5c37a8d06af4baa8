"""JSON logs: one object a line, a list of objects, or an object of lists as a Keras history is dumped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from trainvitals.errors import LogError
from trainvitals.formats.columns import Notes, Origin, run_from_table
from trainvitals.formats.csv_layout import NotATableError, plain_text
from trainvitals.formats.files import read_bytes
from trainvitals.formats.format import Format, Purging, RunFiles
from trainvitals.formats.json_text import objects_from, parse_json
from trainvitals.formats.names import looks_like_training_log
from trainvitals.formats.parts import run_of_parts
from trainvitals.formats.rows import table_from_rows
from trainvitals.formats.table import Table, table_from_columns
from trainvitals.model import Problem, Run

ONE_OBJECT_A_LINE = (".jsonl", ".ndjson")
SUFFIXES = (*ONE_OBJECT_A_LINE, ".json", ".log", ".txt")
SNIFFED_ROWS = 50
_SECOND_OBJECT = re.compile(r"\}\s*,?\s*\n\s*\{")
_LIST_OF_NUMBERS = re.compile(r'"([^"]+)"\s*:\s*\[\s*[-\d]')


def is_json_log(name: str, head: bytes) -> bool:
    """Whether a file is a training log in JSON, from its name and first bytes."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    suffix = PurePath(name.lower()).suffix
    if suffix not in SUFFIXES or (start not in (b"{", b"[") and suffix not in ONE_OBJECT_A_LINE):
        return False
    text = head.decode("utf-8-sig", errors="replace")
    try:
        content = parse_json(text)
    except ValueError:
        if _LIST_OF_NUMBERS.match(text.lstrip()[1:].lstrip()):
            return looks_like_training_log(_LIST_OF_NUMBERS.findall(text), ())
    else:
        if (columns := _lists(content)) is not None:
            return looks_like_training_log(columns, ())
    if start == b"[":
        rows = list(objects_from(text, text.find("[") + 1))
    else:
        rows, _ = _rows_of_lines(text.split("\n")[:-1] or [text])
        if suffix == ".json" and not _SECOND_OBJECT.search(text):
            return False
    table = table_from_rows(rows[:SNIFFED_ROWS])
    return looks_like_training_log(table.numbers, table.words)


def read_json_lines(files: RunFiles, purge: Purging = "session") -> Run:  # noqa: ARG001
    """The run in one JSON log, or in several that hold a part each. Restarts stay in the order of recording.

    Raises:
        LogError: no file holds objects with numbers.
    """
    return run_of_parts(files, lambda path, where: _read_one(files, path, where))


def _read_one(files: RunFiles, path: Path, where: str) -> Run:
    hint = "a log has one object a line, with a loss and a step"
    try:
        data, problems = plain_text(read_bytes(path), where)
    except NotATableError as error:
        raise LogError(f"not a training log: {error}", where=str(path), hint=hint) from None
    table, more_problems = table_of_json(data.decode("utf-8", errors="replace"), where)
    if not any(column.recorded.any() for column in table.numbers.values()):
        raise LogError("not a training log: no JSON objects with numbers", where=str(path), hint=hint)
    origin = Origin(path=str(files.root), name=files.name, format="jsonl", where=where)
    return run_from_table(table, origin, Notes(problems=(*problems, *more_problems)))


def table_of_json(text: str, where: str) -> tuple[Table, list[Problem]]:
    """The table in a JSON text of any of the three shapes, and what of it could not be read."""
    start = text.lstrip()[:1]
    if start == "[":
        begin = text.find("[") + 1
        try:
            content = parse_json(text)
        except ValueError:
            rows = list(objects_from(text, begin))
            torn = f"the JSON breaks off; its first {len(rows)} rows were read"
            return table_from_rows(rows), [Problem("torn-tail", where, torn)]
        rows = [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []
        return table_from_rows(rows), []
    if start == "{":
        try:
            content = parse_json(text)
        except ValueError:
            content = None
        columns = _lists(content)
        if columns is not None:
            return table_from_columns(columns), []
        if isinstance(content, dict):
            return table_from_rows([content]), []
    rows, problems = _rows_of_lines(text.split("\n"), where)
    return table_from_rows(rows), problems


def _lists(content: object) -> Mapping[str, Sequence[float]] | None:
    """The lists of numbers of an object of equally long lists, or None."""
    if not isinstance(content, dict):
        return None
    lists = {
        name: [float("nan") if item is None else item for item in value]
        for name, value in content.items()
        if isinstance(value, list) and all(isinstance(item, int | float | None) for item in value)
    }
    if not any(lists.values()) or len({len(value) for value in lists.values()}) > 1:
        return None
    return lists


def _rows_of_lines(lines: Sequence[str], where: str = "") -> tuple[list[dict[str, object]], list[Problem]]:
    """The objects, one a line, and what is wrong with the other lines."""
    rows: list[dict[str, object]] = []
    garbage = 0
    torn = False
    for i, line in enumerate(lines):
        stripped = line.strip().rstrip(",")
        if not stripped:
            continue
        try:
            row = json.loads(stripped)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows.append(row)
        elif i == len(lines) - 1 and stripped.startswith("{"):
            torn = True
        else:
            garbage += 1
    problems = []
    if garbage:
        problems.append(Problem("bad-row", where, "lines that are no JSON objects were left out", garbage))
    if torn:
        problems.append(Problem("torn-tail", where, "the last line is cut short; it was left out"))
    return rows, problems


FORMAT = Format("jsonl", is_json_log, read_json_lines)
