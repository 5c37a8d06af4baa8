"""How a CSV or TSV file is written: its encoding, what stands between its cells, and what its columns are called."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass

from trainvitals.model import Problem

SAMPLE_LINES = 50
SAMPLE_BYTES = 64 * 1024
DELIMITERS = (",", ";", "\t", "|")
BLANKS = r"\s+"

_COMMENT = re.compile(rb"^[ \t]*#.*\n?", re.MULTILINE)
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.IGNORECASE)


class NotATableError(ValueError):
    """These bytes hold no table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is written.

    Args:
        delimiter: what stands between cells; ``BLANKS`` for any number of blanks.
        decimal: the decimal sign.
        names: the columns.
        header: the line that names them, or None where none does.
    """

    delimiter: str
    decimal: str
    names: tuple[str, ...]
    header: bytes | None


def plain_text(data: bytes, where: str) -> tuple[bytes, list[Problem]]:
    """UTF-8 without a byte order mark, one newline a line, and what had to be left out for it.

    Raises:
        NotATableError: the bytes are no text.
    """
    problems: list[Problem] = []
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        if b"\0" in data[:1024]:
            raise NotATableError("a binary file")
        problems.append(
            Problem("nul-bytes", where, "zero bytes, as a crash leaves them, were left out", data.count(b"\0"))
        )
        data = data.replace(b"\0", b"")
    if b"\r" in data:
        data = re.sub(rb"\r+\n?", b"\n", data)
    return data, problems


def find_layout(data: bytes, commented_header: bytes | None = None) -> Layout:
    """How the table in ``data`` (as ``plain_text`` gives it) is written, told from its first lines.

    Raises:
        NotATableError: there is not even one line.
    """
    lines = [line for line in data[:SAMPLE_BYTES].split(b"\n")[:SAMPLE_LINES] if line.strip()]
    if not lines:
        raise NotATableError("an empty file" if not data.strip() else "no table in its first lines")
    text = [line.decode("utf-8", errors="replace") for line in lines]
    delimiter = _delimiter(text)
    rows = [cells_of(line, delimiter) for line in text]
    widths = Counter(len(row) for row in rows)
    usual = widths.most_common(1)[0][0]
    first = 0
    if len(rows[0]) == 1 and usual > 1:
        first = next(i for i, row in enumerate(rows) if len(row) == usual)
    header: bytes | None = lines[first]
    names = rows[first]
    if all_numbers(names):
        header = None
        below = cells_of(commented_header.decode("utf-8", errors="replace"), delimiter) if commented_header else []
        names = below if len(below) == usual else [f"column {i + 1}" for i in range(usual)]
    cells = [cell for row in rows[first:] for cell in row]
    decimal_comma = delimiter != "," and any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    return Layout(delimiter, "," if decimal_comma else ".", distinct(names), header)


def _delimiter(lines: list[str]) -> str:
    """What stands between the cells: what splits most lines alike, and into most cells."""

    def score(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(cells_of(line, delimiter)) for line in lines)
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]))
        in_header = len(cells_of(lines[0], delimiter)) > 1
        return (count + len(lines) * in_header if width > 1 else 0, width)

    best = max(DELIMITERS, key=score)
    if score(best)[0]:
        return best
    blanks = [len(line.split()) for line in lines]
    return BLANKS if len(lines) > 1 and blanks[0] > 1 and len(set(blanks)) == 1 else ","


def cells_of(line: str, delimiter: str) -> list[str]:
    if delimiter == BLANKS:
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return [cell.strip() for cell in line.split(delimiter)]


def all_numbers(cells: list[str]) -> bool:
    def is_number(cell: str) -> bool:
        try:
            float(cell.replace(",", "."))
        except ValueError:
            return False
        return True

    return any(cells) and all(is_number(cell) for cell in cells if cell)


def distinct(names: list[str]) -> tuple[str, ...]:
    """The names, with a number after those that came before; the cell after a last delimiter is no column."""
    while len(names) > 1 and not names[-1]:
        names = names[:-1]
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    seen: Counter[str] = Counter()
    distinct: list[str] = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(distinct)


def without_comments(data: bytes) -> tuple[bytes, bytes | None]:
    """The text without lines that begin with ``#``, and the last of those above the table: it may name the columns."""
    if b"#" not in data:
        return data, None
    header = None
    for match in _COMMENT.finditer(data):
        if data[: match.start()].strip() and not data[: match.start()].lstrip().startswith(b"#"):
            break
        header = match.group().strip().lstrip(b"#").strip()
        if data[match.end() : match.end() + 1] != b"#":
            break
    return _COMMENT.sub(b"", data), header
