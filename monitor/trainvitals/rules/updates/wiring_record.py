"""What the hooks recorded of how a training is put together: counts at each record, and the names last told."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.model import Run, Series
from trainvitals.view import RunView

MOST_OPTIMIZERS = 16
"""Looked for; a training with more has one a parameter and counts them under one tag each, all alike."""

FEWEST_RECORDS = 3
"""A state of the wiring is exact, so that three records in a row are no accident."""

MOSTLY = 0.9
"""Of the records from the onset on. A loop may do something else at the edge of an epoch."""

WATCH = "vitals = trainvitals.watch(model, optimizer)"


def of_optimizers(view: RunView, tag: str) -> tuple[Series, ...]:
    """The finite values under this tag, or under that of each of several optimizers."""
    single = view.recorded(tag)
    if single is not None:
        return (single.finite(),)
    each = (tags.of_optimizer(tag, number) for number in range(MOST_OPTIMIZERS))
    return tuple(view.run.series[name].latest().finite() for name in each if name in view.run.series)


def begin_of_mostly(holds: NDArray[np.bool_]) -> int | None:
    """Index from which the condition ``[T]`` holds in most records up to the end; None where it does not.

    It begins and ends with ``FEWEST_RECORDS`` records without a break.
    """
    count = len(holds)
    if count < FEWEST_RECORDS or not bool(holds[-FEWEST_RECORDS:].all()):
        return None
    share = np.cumsum(holds[::-1])[::-1] / np.arange(count, 0, -1)
    solid = np.convolve(holds, np.ones(FEWEST_RECORDS), "full")[FEWEST_RECORDS - 1 :] >= FEWEST_RECORDS
    begins = np.flatnonzero((share >= MOSTLY) & solid)
    return int(begins[0]) if len(begins) else None


def names_told(run: Run, *kinds: str) -> tuple[str, ...]:
    """The names in the last marker of the wiring, where that is of one of these kinds; else none are known."""
    try:
        told = json.loads(run.texts[tags.event("wiring")])
        kind, names = told["what"], told["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    if not isinstance(kind, str) or not isinstance(names, list) or kind.rpartition("/")[2] not in kinds:
        return ()
    return tuple(name for name in names if isinstance(name, str))
