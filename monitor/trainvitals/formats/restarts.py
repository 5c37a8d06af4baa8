"""Where recording started again, told from the steps alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Restart, StepArray

# A late record is written once and the count goes on where it was. One or two late records are what queues and
# several workers produce; three records in a row below the old maximum are a recording that went back.
LATE_RECORDS = 2

# A recording that went back climbs to the old maximum in its own stride. Where the last record below the old
# maximum is further from it than this many of its largest strides, the old count was resumed instead.
LARGEST_STRIDES = 2

# A single last record may be late or the beginning of a restart; only one this many strides back is the latter.
FAR_BACK_STRIDES = 3

# Doubtful step-backs count as restarts while they are exceptions: at most this share of the records, or this many.
EXCEPTIONAL_SHARE = 0.02
EXCEPTIONAL_COUNT = 2

# A log that goes back more often than this is written out of order by habit; no job is restarted so often.
MOST_STEP_BACKS = 1000

# Differences of two steps within this must fit 64 bits; no count of steps comes near it.
LARGEST_STEP = 2**61


def find_common_restarts(
    curves: Iterable[tuple[StepArray, NDArray[np.int64]]], *, where: str = ""
) -> tuple[Restart, ...]:
    """The restarts of several series that were recorded together, each told once.

    A series shows a restart only at its own next record. Restarts whose uncertainty overlaps are one event; it is
    told with the lowest step that any series went back to and the highest that one came from.

    Args:
        curves: for each series its steps ``[T]`` and the places ``[T]`` of its records, increasing, in an order
            common to all series: row numbers, or positions in a file.
        where: the file, relative to the run.
    """
    sightings = [
        (int(place[i]), int(place[i - 1]), int(step[i]), int(step[i - 1]))
        for step, place in curves
        for i in restart_positions(step)
    ]
    restarts: list[Restart] = []
    event_at = -1
    for seen_at, last_before, after, before in sorted(sightings):
        if restarts and last_before < event_at:
            known = restarts[-1]
            after, before = min(after, known.step), max(before, known.previous_step)
            restarts.pop()
        else:
            event_at = seen_at
        restarts.append(Restart(step=after, previous_step=before, kind="step-back", where=where))
    return tuple(restarts)


def restart_positions(step: StepArray) -> Sequence[int]:
    """Index of the first record after each restart.

    Steps that go back are a restart where the recording goes on from there: it covers old ground again. A record
    that comes late, several values at one step, and two writers that take turns are none.

    Args:
        step: ``[T]`` in the order of recording.
    """
    step = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    step_backs = np.flatnonzero(step[1:] < step[:-1]) + 1
    if not 0 < len(step_backs) <= MOST_STEP_BACKS:
        return ()
    starts = [0, *step_backs.tolist()]
    legs = [step[start:end] for start, end in zip(starts, [*starts[1:], len(step)], strict=True)]

    certain: list[int] = []
    doubtful: list[int] = []
    highest = int(legs[0][-1])
    previous = legs[0]
    for start, leg in zip(starts[1:], legs[1:], strict=True):
        verdict = _judge(leg, previous, highest)
        if verdict == "restart":
            certain.append(start)
        elif verdict == "doubtful":
            doubtful.append(start)
        highest = int(leg[-1]) if verdict == "restart" else max(highest, int(leg[-1]))
        previous = leg
    if len(doubtful) > max(EXCEPTIONAL_COUNT, EXCEPTIONAL_SHARE * len(step)):
        doubtful = []
    return sorted(certain + doubtful)


def _judge(leg: StepArray, previous: StepArray, highest: int) -> Literal["restart", "doubtful", "late"]:
    """What a step back means, from the non-decreasing records that follow it and those before it."""
    below = leg[: int(np.searchsorted(leg, highest, side="right"))]
    resumes_above = len(below) < len(leg)
    if len(below) > LATE_RECORDS:
        strides = np.diff(below)
        if not strides.any():
            return "late"
        climbed = highest - int(below[-1]) <= LARGEST_STRIDES * int(strides.max())
        return "restart" if climbed or not resumes_above else "doubtful"
    if _repeats(below, previous):
        return "doubtful"
    if not resumes_above:
        strides = np.diff(previous)
        stride = float(np.median(strides[strides > 0])) if strides.any() else 1.0
        if highest - int(below[0]) > FAR_BACK_STRIDES * stride:
            return "doubtful"
    return "late"


def _repeats(steps: StepArray, recorded: StepArray) -> bool:
    """Whether all of ``steps`` were recorded before; both are non-decreasing."""
    found = np.searchsorted(recorded, steps)
    return bool(np.all(found < len(recorded)) and np.all(recorded[np.minimum(found, len(recorded) - 1)] == steps))
