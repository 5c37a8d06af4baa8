"""What the changes marked in a run have done: the part before each is held against the part after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from trainvitals import tags
from trainvitals.model import Diagnosis, MarkedChange, Parts, Run
from trainvitals.outcomes import outcomes
from trainvitals.verification import Course

MOST = 3
"""The last ones: each costs two more diagnoses."""


def marked_changes(run: Run, judge: Callable[[Run], Diagnosis]) -> tuple[MarkedChange, ...]:
    """What became of the findings after each of the last interventions marked in the run, in order.

    A marker stands at the step just made, so that what it tells of holds from the next one on. A part ends where the
    next intervention begins, so that each is judged by itself.
    """
    first, last = run.first_step, run.last_step
    marked = {marker.step: marker for marker in run.markers if marker.kind == tags.INTERVENTION}
    if not marked or first is None or last is None:
        return ()
    edges = [first, *sorted(step + 1 for step in marked if first <= step < last), last + 1]
    found = []
    for begin, at, end in list(zip(edges, edges[1:], edges[2:], strict=False))[-MOST:]:
        before, after = _part(run, begin, at), _part(run, at, end)
        then, now = judge(before), judge(after)
        parts = Parts(then, now, Course(before, after).measured(then.findings))
        found.append(MarkedChange(marked[at - 1], outcomes(then, now, parts.measured), parts))
    return tuple(found)


def _part(run: Run, begin: int, end: int) -> Run:
    """What was recorded from one step to before another."""
    series = {tag: each.take((each.step >= begin) & (each.step < end)) for tag, each in run.series.items()}
    return replace(
        run,
        series={tag: each for tag, each in series.items() if len(each)},
        histograms={},
        restarts=tuple(restart for restart in run.restarts if begin < restart.step < end),
        markers=tuple(marker for marker in run.markers if begin <= marker.step < end),
        problems=(),
    )
