"""Empty cells: which of them were a NaN when they were written, and which were simply not recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainvitals.formats.names import is_loss, is_validation
from trainvitals.formats.table import Column

Mask = NDArray[np.bool_]

# A metric that is written in every row must be seen twice in a row before its absence means anything; one written
# every tenth row looks the same after its first value.
DENSE_ROWS = 2

# Holes in a metric that is written in every row are exceptions. Above one row in three it is logged now and then.
HOLES_SHARE = 1 / 3

# A metric that was NaN and is a number again so often was not measured in between: no loss recovers from NaN by habit.
RETURNS = 2

# Tables in which so many groups of columns come and go are not written row by row as a whole.
MOST_PATTERNS = 32


def judged_by_their_logging(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns, with each missing value taken for what the logging of its column as a whole says it is.

    A NaN that was written out is a value unless it fills the rows in which the metric was not measured; an empty cell
    is none unless the column shows that there was one.
    """
    if any(np.isnan(column.value[column.recorded]).any() for column in columns.values()):
        return _without_fillers(columns)
    return _with_lost_values(columns)


def _without_fillers(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns, without those written NaN that only fill a row.

    They do in rows before the first number, since a loss that is NaN at the start stays so; where numbers come back
    again and again and most rows have none; and in a validation column with one number so far, beside another loss
    that is finite to the last.
    """
    finite = {name: column.recorded & np.isfinite(column.value) for name, column in columns.items()}
    kept: dict[str, Column] = {}
    for name, column in columns.items():
        nan = column.recorded & np.isnan(column.value)
        rows = np.flatnonzero(column.recorded)
        numbers = np.flatnonzero(~nan[rows])
        filler = np.zeros_like(nan)
        if len(numbers) and nan.any():
            filler[rows[: numbers[0]]] = True
            comes_back = int(np.sum(np.diff(numbers) > 1)) >= RETURNS and int(nan.sum()) > len(numbers)
            other_losses = (other for other in columns if other != name and is_loss(other))
            others_go_on = any(finite[other][rows[-1]] for other in other_losses)
            measured_once_so_far = len(numbers) < DENSE_ROWS and is_validation(name) and others_go_on
            if comes_back or measured_once_so_far:
                filler = nan
        kept[name] = Column(column.value, column.recorded & ~filler, column.empty | filler)
    return kept


def _with_lost_values(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns, with those empty cells counted as recorded NaN that must have been one.

    Writers such as pandas write NaN as an empty cell, the same as "not recorded". An empty cell was a NaN where

    * every column that is always recorded together with this one has a value in that row, and no column that is
      never recorded together with it has one, so that the row is one of its own;
    * the column was recorded in all such rows before, at least ``DENSE_ROWS`` of them, and never again; or it was
      recorded in the first such row and lacks at most ``HOLES_SHARE`` of them.

    A column that ends while some other loss is finite to the last was switched off, or the last row is a final
    evaluation: training does not go on beside a loss that stays NaN. It counts as not recorded.
    """
    known = {name: column.recorded for name, column in columns.items()}
    groups = _groups(columns)
    if len(groups) > MOST_PATTERNS:
        return dict(columns)
    for group in sorted(groups, key=lambda names: -int(known[names[0]].sum())):
        recorded, empty = known[group[0]], columns[group[0]].empty
        if not empty.any() or not recorded.any():
            continue
        others = [names for names in groups if names is not group and known[names[0]].any()]
        own_rows = np.flatnonzero(
            (empty | recorded) & _rows_of_its_own(recorded, [known[names[0]] for names in others])
        )
        lost = ~recorded[own_rows]
        if not lost.any():
            continue
        finite_losses_at_the_end = [
            name
            for names in others
            for name in names
            if is_loss(name) and np.isfinite(columns[name].value[own_rows[-1]])
        ]
        if _were_values(lost, switched_off=bool(finite_losses_at_the_end)):
            recorded = recorded.copy()
            recorded[own_rows] = True
            known.update(dict.fromkeys(group, recorded))
    return {name: Column(column.value, known[name], column.empty) for name, column in columns.items()}


def _groups(columns: Mapping[str, Column]) -> list[list[str]]:
    """The names of columns that are recorded in exactly the same rows, together."""
    by_pattern: dict[tuple[bytes, bytes], list[str]] = {}
    for name, column in columns.items():
        pattern = (np.packbits(column.recorded).tobytes(), np.packbits(column.empty).tobytes())
        by_pattern.setdefault(pattern, []).append(name)
    return list(by_pattern.values())


def _rows_of_its_own(recorded: Mask, others: Sequence[Mask]) -> Mask:
    """The rows ``[T]`` in which a column belongs, by what else is recorded in them."""
    companions = [theirs for theirs in others if not np.any(recorded & ~theirs)]
    strangers = [theirs for theirs in others if not np.any(recorded & theirs)]
    if not companions:
        strangers = list(others)
    belongs = np.ones_like(recorded)
    for theirs in companions:
        belongs &= theirs
    for theirs in strangers:
        belongs &= ~theirs
    return belongs | recorded


def _were_values(lost: Mask, *, switched_off: bool) -> bool:
    """Whether the gaps in a column's own rows are values that were lost, rather than rows without a record."""
    first = int(np.argmax(lost))
    if lost[first:].all():
        return first >= DENSE_ROWS and not switched_off
    return first > 0 and bool(lost.mean() <= HOLES_SHARE)
