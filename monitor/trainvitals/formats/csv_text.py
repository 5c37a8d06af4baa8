"""From the bytes of a CSV or TSV file to a table, whoever wrote it and whatever happened to it since."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from trainvitals.formats.csv_layout import (
    BLANKS,
    SAMPLE_BYTES,
    SAMPLE_LINES,
    Layout,
    NotATableError,
    all_numbers,
    cells_of,
    distinct,
    find_layout,
    plain_text,
    without_comments,
)
from trainvitals.formats.table import Column, Table, number_column
from trainvitals.model import Problem

if TYPE_CHECKING:
    import pandas
    from numpy.typing import NDArray

QUOTES: Literal[0] = 0
NO_QUOTES: Literal[3] = 3
_TENSOR = r"^\s*tensor\(\s*\[?\s*([-+.\w]+)"
_MISSING = ("", "none", "null", "na", "n/a", "<na>", "-", "--")


@dataclass(frozen=True, slots=True, eq=False)
class CsvText:
    """A table that was read from text.

    Args:
        table: its rows.
        names: its columns, also the ones that hold nothing.
        sessions: the rows before which the header was written once more.
        problems: what could not be read.
    """

    table: Table
    names: tuple[str, ...]
    sessions: tuple[int, ...]
    problems: tuple[Problem, ...]


def parse_csv(data: bytes, where: str) -> CsvText:
    """The table in the bytes of a CSV or TSV file.

    Any of comma, semicolon, tab, bar or blanks between cells; quotes, padding, a byte order mark, any line ends,
    comments, a decimal comma, no header, headers in between, rows of the wrong length, a torn last line.

    Args:
        data: the file.
        where: its name, for problems.

    Raises:
        NotATableError: there is no table; the message says why.
    """
    data, problems = plain_text(data, where)
    data, commented_header = without_comments(data)
    layout = find_layout(data, commented_header)
    data, torn = _without_torn_tail(data, layout, where)
    problems += torn

    tables: list[Table] = []
    sessions: list[int] = []
    names = layout.names
    skipped = 0
    for part, body in _parts(data, layout):
        table, skipped_here, unreadable = _parse_body(body, part)
        rows_before = sum(table.rows for table in tables)
        if rows_before:
            sessions.append(rows_before)
        tables.append(table)
        skipped += skipped_here
        problems += [
            Problem("bad-cell", f"{where}, column {name}", "cells that are no numbers were left out", count)
            for name, count in unreadable.items()
        ]
        names = (*names, *(name for name in part.names if name not in names))
    if skipped:
        problems.append(Problem("bad-row", where, "rows that do not fit the header were left out", skipped))
    return CsvText(_joined(tables), names, tuple(sessions), tuple(problems))


def is_readable(cell: str) -> bool:
    """Whether ``parse_csv`` can read a cell: a number, a printed tensor of one, or a word for a missing number."""
    inside = re.match(_TENSOR, cell)
    return all_numbers([inside.group(1) if inside else cell]) or cell.lower() in _MISSING


def _without_torn_tail(data: bytes, layout: Layout, where: str) -> tuple[bytes, list[Problem]]:
    """The text without a last line that its writer has not finished: too few cells, or a last cell cut short."""
    if data.endswith(b"\n") or not data.strip():
        return data, []
    end = data.rfind(b"\n") + 1
    if end == 0 or data[end:].strip() == layout.header:
        return data, []
    last = cells_of(data[end:].decode("utf-8", errors="replace"), layout.delimiter)
    before = [
        cells_of(line.decode("utf-8", errors="replace"), layout.delimiter)
        for line in data[max(0, end - SAMPLE_BYTES) : end].split(b"\n")[-SAMPLE_LINES:-1]
        if line.strip() != layout.header
    ]
    alike = [cells for cells in before if len(cells) == len(last)]
    usual = max((len(cells) for cells in before), default=len(layout.names))
    shortest = min((len(cells[-1]) for cells in alike if cells[-1]), default=0)
    if len(last) == usual and len(last[-1]) >= shortest:
        return data, []
    return data[:end], [Problem("torn-tail", where, "the last line is cut short; it was left out")]


def _parts(data: bytes, layout: Layout) -> Iterator[tuple[Layout, bytes]]:
    """The table in parts, each below a header of its own."""
    if layout.header is None:
        yield layout, data
        return
    first_cell = re.escape(layout.names[0].encode())
    delimiter = rb"[ \t]" if layout.delimiter == BLANKS else re.escape(layout.delimiter.encode())
    if len(layout.names) > 1 and not all_numbers([layout.names[0]]):
        header = re.compile(rb'^[ \t]*"?' + first_cell + rb'"?[ \t]*' + delimiter + rb".*$", re.MULTILINE)
    else:
        header = re.compile(rb"^" + re.escape(layout.header) + rb"[ \t]*$", re.MULTILINE)
    begin = data.find(layout.header) + len(layout.header)
    part = layout
    for match in header.finditer(data, begin) if data.count(layout.names[0].encode(), begin) else ():
        yield part, data[begin : match.start()]
        names = cells_of(match.group().decode("utf-8", errors="replace"), layout.delimiter)
        part = Layout(layout.delimiter, layout.decimal, distinct(names), match.group())
        begin = match.end()
    yield part, data[begin:]


def _parse_body(body: bytes, layout: Layout) -> tuple[Table, int, dict[str, int]]:
    """The rows below one header, how many did not fit it, and the number of unreadable cells by column."""
    import pandas

    lines = body.count(b"\n") + (not body.endswith(b"\n")) if body.strip() else 0
    blank_lines = len(re.findall(rb"^[ \t]*\n", body, re.MULTILINE)) if lines else 0
    if lines - blank_lines <= 0:
        return _empty_table(layout), 0, {}
    frame = _read(body, layout, quoting=QUOTES)
    if b'"' in body and (frame is None or 2 * len(frame) < lines - blank_lines):
        frame = _read(body, layout, quoting=NO_QUOTES)
    if frame is None:
        raise NotATableError("no table that can be read")
    too_long = frame[len(layout.names)].notna()
    fitting = frame[~too_long] if too_long.any() else frame

    numbers: dict[str, Column] = {}
    words: dict[str, NDArray[np.object_]] = {}
    unreadable: dict[str, int] = {}
    for i, name in enumerate(layout.names):
        cells = fitting[i]
        if pandas.api.types.is_numeric_dtype(cells) and not pandas.api.types.is_bool_dtype(cells):
            numbers[name] = number_column(cells.to_numpy(np.float64))
            continue
        text = cells.astype(str).where(cells.notna(), "").str.strip().str.strip('"')
        column, bad_cells = _numbers_in_text(text, layout.decimal)
        if column is None:
            words[name] = text.to_numpy(object)
            continue
        numbers[name] = column
        if bad_cells:
            unreadable[name] = bad_cells
    skipped = max(0, lines - blank_lines - len(fitting))
    return Table(len(fitting), numbers, words), skipped, unreadable


def _read(body: bytes, layout: Layout, *, quoting: Literal[0, 3]) -> pandas.DataFrame | None:
    """The cells, one column more than there are names to catch rows that are too long; None if it cannot be done."""
    import pandas

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pandas.read_csv(
                io.BytesIO(body),
                sep=layout.delimiter,
                decimal=layout.decimal,
                header=None,
                names=list(range(len(layout.names) + 1)),
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=[""],
                low_memory=False,
                on_bad_lines="skip",
                quoting=quoting,
                encoding_errors="replace",
            )
        except (ValueError, OverflowError):
            return None


def _numbers_in_text(text: pandas.Series[str], decimal: str) -> tuple[Column | None, int]:
    """The numbers in a column of text, and how many cells hold something else; None where that is most of them."""
    import pandas

    if decimal != ".":
        text = text.str.replace(decimal, ".", regex=False)
    lower = text.str.lower()
    missing = lower.isin(_MISSING).to_numpy(bool)
    nan = lower.isin(("nan", "+nan", "-nan")).to_numpy(bool, copy=True)
    value = pandas.to_numeric(text.where(~missing & ~nan), errors="coerce").to_numpy(np.float64, copy=True)
    unread = np.isnan(value) & ~missing & ~nan
    if unread.any():
        inside = text[unread].str.extract(_TENSOR, expand=False)
        value[unread] = pandas.to_numeric(inside, errors="coerce").to_numpy(np.float64)
        nan[unread] = inside.str.lower().eq("nan").to_numpy(bool)
        unread &= np.isnan(value) & ~nan
    recorded = ~missing & ~unread
    bad_cells = int(unread.sum())
    if bad_cells > int(recorded.sum()) or not (recorded.any() or missing.all()):
        return None, bad_cells
    return Column(value, recorded, missing), bad_cells


def _empty_table(layout: Layout) -> Table:
    nothing = number_column(np.empty(0))
    return Table(0, dict.fromkeys(layout.names, nothing), {})


def _joined(tables: list[Table]) -> Table:
    """The tables below each other; a column that one of them lacks was not recorded there."""
    if len(tables) == 1:
        return tables[0]
    rows = sum(table.rows for table in tables)
    numbers: dict[str, Column] = {}
    words: dict[str, NDArray[np.object_]] = {}
    textual = {name for table in tables for name in table.words if table.rows}
    for name in dict.fromkeys(name for table in tables for name in (*table.numbers, *table.words)):
        if name in textual and not any(name in table.numbers and table.rows for table in tables):
            blank = [np.full(table.rows, "", dtype=object) for table in tables]
            words[name] = np.concatenate([t.words.get(name, b) for t, b in zip(tables, blank, strict=True)])
            continue
        absent = [Column(np.full(table.rows, np.nan), *(np.zeros((2, table.rows), dtype=bool))) for table in tables]
        columns = [table.numbers.get(name, gap) for table, gap in zip(tables, absent, strict=True)]
        numbers[name] = Column(
            np.concatenate([column.value for column in columns]),
            np.concatenate([column.recorded for column in columns]),
            np.concatenate([column.empty for column in columns]),
        )
    return Table(rows, numbers, words)
