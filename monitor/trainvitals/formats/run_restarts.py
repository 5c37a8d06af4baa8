"""Where the recording of a run in several event files started again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trainvitals.formats.agreed_restarts import find_agreed_restarts
from trainvitals.model import Problem, Restart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainvitals.formats.concurrency import Concurrency, Part


PAUSE_FACTOR = 3
"""A file that goes on at a later step is a new start if recording paused this many times longer than ever before. A
logger that only begins a new file every few hours pauses no longer than for a validation."""


class _Seen(NamedTuple):
    """The last that was seen of a tag: its step, and the part and the group there that hold it."""

    step: int
    part: Part
    group: int


class _Meeting(NamedTuple):
    """A tag that a file shares with earlier ones: how often and from which step it is there, and what was before."""

    size: int
    first: int
    group: int
    seen: _Seen


def restarts_of_run(parts: Sequence[Part], concurrency: Concurrency) -> tuple[list[Restart], list[Problem]]:
    """Where recording started again, in reading order; and files whose steps go back without end.

    Args:
        parts: all files in reading order.
        concurrency: which of them were written at the same time; a file that was is no restart.
    """
    restarts: list[Restart] = []
    problems: list[Problem] = []
    seen: dict[int, _Seen] = {}
    for position, part in enumerate(parts):
        if not len(part.rows):
            continue
        if not concurrency.with_earlier(position) and not any(start.row == 0 for start in part.starts):
            restarts += _at_beginning(part, seen)
        before = (
            earlier
            for number, earlier in enumerate(parts[:position])
            if earlier.prefix == part.prefix and len(earlier.rows) and not concurrency.between(number, position)
        )
        inside, drops = _inside(part, [int(earlier.rows.step[-1]) for earlier in before])
        restarts += inside
        if drops:
            text = f"steps go back {drops} times, too often for restarts; every tag is kept in record order"
            problems.append(Problem("steps-go-back", part.where, text, drops))
        last_steps = part.rows.step[part.tags.order[part.tags.bounds[1:] - 1]].tolist()
        for group, (code, step) in enumerate(zip(part.tags.code.tolist(), last_steps, strict=True)):
            seen[code] = _Seen(step, part, group)
    return restarts, problems


def _inside(part: Part, last_steps_before: Sequence[int]) -> tuple[list[Restart], int]:
    """Restarts inside one file, and how often its steps go back where that is too often.

    A START event at the beginning of a run is none; ``last_steps_before`` are those of the files that it restarts.
    """
    step = part.rows.step
    places, drops = find_agreed_restarts(part.tags, step)
    found = {place.row: Restart(place.step, place.previous_step, "step-back", part.where) for place in places}
    for start in part.starts:
        previous = [*last_steps_before, *step[start.row - 1 : start.row].tolist()]
        if previous:
            found[start.row] = Restart(start.step, previous[-1], "session", part.where)
    return [restart for _, restart in sorted(found.items())], drops


def _at_beginning(part: Part, seen: dict[int, _Seen]) -> list[Restart]:
    """Whether most tags that can show it say that this file is a new start."""
    sizes = np.diff(part.tags.bounds).tolist()
    firsts = part.rows.step[part.tags.order[part.tags.bounds[:-1]]].tolist()
    shared = [
        _Meeting(size, first, group, seen[code])
        for group, (code, size, first) in enumerate(zip(part.tags.code.tolist(), sizes, firsts, strict=True))
        if code in seen
    ]
    if not shared:
        return []
    back = [each for each in shared if each.first < each.seen.step]
    restarted_at = min((each.first for each in back), default=0)
    going_on = sum(each.first > each.seen.step >= restarted_at for each in shared)
    if not back or len(back) < going_on:
        most_logged = max(shared, key=lambda each: each.size)
        back = [most_logged] if _paused(most_logged, part) else []
    return [
        Restart(each.first, each.seen.step, "new-file", part.where)
        for each in sorted(back, key=lambda each: each.size)[-1:]
    ]


def _paused(meeting: _Meeting, part: Part) -> bool:
    before = _wall_times(meeting.seen.part, meeting.seen.group)
    gaps = np.diff(before)
    if meeting.first <= meeting.seen.step or not len(gaps):
        return False
    pause = _wall_times(part, meeting.group)[0] - before[-1]
    return bool(pause > PAUSE_FACTOR * gaps.max() > 0)


def _wall_times(part: Part, group: int) -> NDArray[np.float64]:
    return part.rows.wall_time[part.tags.order[part.tags.bounds[group] : part.tags.bounds[group + 1]]]
