"""Which column counts the steps of a table, and what step each row is at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.formats.names import counts_epochs, counts_within_epochs, step_preference
from trainvitals.formats.table import Column, Table
from trainvitals.model import StepArray

# Above this every second whole number is no float64 any more: not a count of steps.
LARGEST_STEP = 2**53

# An iteration number that begins anew does so where the epoch rises, nearly always: a torn epoch may lack one.
COINCIDENCE_SHARE = 0.9

# Where most records of one metric stand at the same epoch as the record before, the epoch does not count them.
REPEATED_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class StepAxis:
    """The step of each row ``[T]``, and the columns that were used up to tell it."""

    step: StepArray
    columns: frozenset[str] = frozenset()


def step_axis(table: Table, busiest: NDArray[np.bool_]) -> StepAxis:
    """The steps of a table, told from the columns' names and their numbers.

    A column that counts steps over the whole run wins; one that begins anew with each epoch is joined with the epoch;
    the epoch alone is the last resort; else the rows are counted from 0. A row whose own step is missing stands at
    the step of the row before it.

    Args:
        busiest: ``[T]`` the rows of the metric that is recorded most often.
    """
    candidates = _candidates(table.numbers)
    epochs = [name for name in candidates if counts_epochs(name)]
    counts = [name for name in candidates if name not in epochs]
    for name in counts:
        step = filled_steps(table.numbers[name])
        for epoch_name in epochs:
            joined = _joined(step, table.numbers[epoch_name], busiest)
            if joined is not None:
                return StepAxis(joined, frozenset({name}))
        if not (counts_within_epochs(name) and np.any(np.diff(step[busiest]) < 0)):
            return StepAxis(step, frozenset({name}))
    for name in epochs:
        step = filled_steps(table.numbers[name])
        repeated = np.diff(step[busiest]) == 0
        if not len(repeated) or repeated.mean() <= REPEATED_SHARE:
            return StepAxis(step, frozenset({name}))
    return StepAxis(np.arange(table.rows, dtype=np.int64))


def filled_steps(column: Column) -> StepArray:
    """The steps ``[T]`` of a column; a row without one stands where the row before it stood."""
    known = np.flatnonzero(column.recorded)
    position = np.searchsorted(known, np.arange(len(column.value)), side="right") - 1
    return column.value[known][np.maximum(position, 0)].astype(np.int64)


def whole_numbers(column: Column) -> bool:
    """Whether everything recorded in a column can be a step."""
    value = column.value[column.recorded]
    return bool(len(value)) and bool(
        np.all(np.isfinite(value)) and np.all(np.abs(value) < LARGEST_STEP) and np.all(value == np.floor(value))
    )


def _candidates(numbers: Mapping[str, Column]) -> list[str]:
    """The columns that may count steps, the best first."""
    named = sorted((rank, name) for name in numbers if (rank := step_preference(name)) is not None)
    return [name for _, name in named if whole_numbers(numbers[name]) and _varies(numbers[name])]


def _varies(column: Column) -> bool:
    value = column.value[column.recorded]
    return len(value) == 1 or bool(np.any(value != value[0]))


def _joined(step: StepArray, epoch: Column, busiest: NDArray[np.bool_]) -> StepArray | None:
    """A count over the whole run from one that begins anew with each epoch, or None where it does not."""
    count, era = step[busiest], filled_steps(epoch)
    rises = np.diff(era[busiest]) > 0
    step_backs = np.diff(count) < 0
    if not step_backs.any() or not rises.any():
        return None
    together = int(np.sum(rises & step_backs))
    if together < COINCIDENCE_SHARE * max(int(rises.sum()), int(step_backs.sum())):
        return None
    strides = np.diff(count)
    first, last = int(count.min()), int(count.max())
    length = last - first + int(np.median(strides[strides > 0])) if np.any(strides > 0) else 1
    if length * (int(era.max()) - int(era.min()) + 1) >= LARGEST_STEP:
        return None
    joined: StepArray = (era - era.min()) * length + np.clip(step, first, last)
    return joined
