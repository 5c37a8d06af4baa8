"""A log as rows and columns, before anybody asks what the columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainvitals.errors import LogError

if TYPE_CHECKING:
    import pandas

    from trainvitals.model import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The numbers of one column.

    Args:
        value: ``[T]``, NaN where nothing was recorded.
        recorded: ``[T]``, True where a number was written, be it NaN or infinite.
        empty: ``[T]``, True where there was a cell with nothing in it; a key that a row lacks is no empty cell.
    """

    value: NDArray[np.float64]
    recorded: NDArray[np.bool_]
    empty: NDArray[np.bool_]

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Column:
        """The rows that ``index`` selects."""
        return Column(self.value[index], self.recorded[index], self.empty[index])


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows in the order in which they were written.

    Args:
        rows: how many.
        numbers: the columns that hold numbers, by name.
        words: the columns that hold other text, ``[T]`` of str, empty where there is none.
    """

    rows: int
    numbers: Mapping[str, Column]
    words: Mapping[str, NDArray[np.object_]]

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Table:
        """The rows that ``index`` selects."""
        return Table(
            rows=len(np.arange(self.rows)[index]),
            numbers={name: column.take(index) for name, column in self.numbers.items()},
            words={name: column[index] for name, column in self.words.items()},
        )


def table_from_columns(columns: Mapping[str, Sequence[float] | FloatArray] | pandas.DataFrame) -> Table:
    """A table from equally long columns: a mapping of sequences, or a DataFrame (a named index is a column too).

    Raises:
        LogError: the columns differ in length, or one is not one-dimensional.
    """
    if isinstance(columns, Mapping):
        named = [(str(name), _array(str(name), values)) for name, values in columns.items()]
    else:
        frame = columns if columns.index.names == [None] else columns.reset_index()
        named = [(str(name), frame.iloc[:, i].to_numpy()) for i, name in enumerate(frame.columns)]
    lengths = {name: len(values) for name, values in named}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lambda name: lengths[name]), max(lengths, key=lambda name: lengths[name])
        raise LogError(
            f"columns differ in length: {shortest!r} has {lengths[shortest]}, {longest!r} has {lengths[longest]}",
            hint="fill rows where a metric was not recorded with NaN",
        )
    numbers: dict[str, Column] = {}
    words: dict[str, NDArray[np.object_]] = {}
    for name, values in named:
        column = _numbers(values)
        if column is None:
            words[name] = np.array([value if isinstance(value, str) else "" for value in values], dtype=object)
        else:
            numbers[name] = column
    return Table(next(iter(lengths.values()), 0), numbers, words)


def _array(name: str, values: Sequence[float] | FloatArray) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty((0, 0))
    if array.ndim != 1:
        raise LogError("a column must be one-dimensional", where=name, hint="give one number a row")
    return array


def number_column(value: NDArray[np.float64]) -> Column:
    """A column of numbers in which NaN stands for an empty cell."""
    empty = np.isnan(value)
    return Column(value, ~empty, empty)


def _numbers(values: NDArray[Any]) -> Column | None:
    """The column as numbers, or None where most of what it holds is none."""
    if values.dtype.kind in "biuf":
        return number_column(values.astype(np.float64))
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[ns]").astype(np.float64) / 1e9
        return number_column(np.where(np.isnat(values), np.nan, seconds))
    numbers = np.full(len(values), np.nan)
    recorded = np.zeros(len(values), dtype=bool)
    texts = 0
    for i, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        try:
            numbers[i] = float(value)
        except (TypeError, ValueError, OverflowError):
            texts += isinstance(value, str)
        else:
            recorded[i] = isinstance(value, str) or not np.isnan(numbers[i])
    return Column(numbers, recorded, ~recorded) if recorded.sum() >= texts else None
