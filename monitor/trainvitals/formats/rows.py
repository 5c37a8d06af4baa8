"""From rows of JSON objects to a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainvitals.formats.table import Column, Table

# Objects inside objects name a metric, as in {"train": {"loss": 1}}; deeper ones describe something else.
DEEPEST = 6


def table_from_rows(rows: Sequence[Mapping[str, object]]) -> Table:
    """A table with a column for each key; keys of objects inside a row are joined with ``/``.

    Text that reads as a number is one; ``null`` is an empty cell; a key that a row lacks is nothing at all. Lists and
    truth values are left out.
    """
    numbers: dict[str, tuple[list[int], list[float]]] = {}
    texts: dict[str, tuple[list[int], list[str]]] = {}
    empty: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        for key, value in _leaves(row):
            number = as_number(value)
            if number is not None:
                at, values = numbers.setdefault(key, ([], []))
                at.append(i)
                values.append(number)
            elif value is None or value == "":
                empty.setdefault(key, []).append(i)
            elif isinstance(value, str):
                at, words = texts.setdefault(key, ([], []))
                at.append(i)
                words.append(value)
    columns: dict[str, Column] = {}
    word_columns: dict[str, NDArray[np.object_]] = {}
    for key in dict.fromkeys((*numbers, *texts)):
        at, values = numbers.get(key, ([], []))
        if len(texts.get(key, ([], []))[0]) > len(at):
            word_column = np.full(len(rows), "", dtype=object)
            word_column[texts[key][0]] = texts[key][1]
            word_columns[key] = word_column
            continue
        column = Column(np.full(len(rows), np.nan), np.zeros(len(rows), bool), np.zeros(len(rows), bool))
        column.value[at] = values
        column.recorded[at] = True
        column.empty[empty.get(key, [])] = True
        columns[key] = column
    return Table(len(rows), columns, word_columns)


def as_number(value: object) -> float | None:
    """The number that a JSON value is or spells, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _leaves(row: Mapping[str, object], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, object]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            if depth < DEEPEST:
                yield from _leaves(value, f"{prefix}{key}/", depth + 1)
        else:
            yield f"{prefix}{key}", value
