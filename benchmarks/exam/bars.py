"""What the exam demands of us, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

from benchmarks.exam.marks import Marked, clustered, f_scores

LOGS = ("watched", "plain")


@dataclass(frozen=True)
class Bar:
    """A share that has to be reached or not to be exceeded.

    Args:
        logs: which of the two logs it is asked of; their runs are counted together.
        runs: those that count. hit: which of them do.
    """

    figure: str
    logs: tuple[str, ...]
    demand: str
    holds: Callable[[int, int], bool]
    runs: Callable[[Marked], bool]
    hit: Callable[[Marked], bool]


def _is_healthy(mark: Marked) -> bool:
    return mark.case.fault is None


def _is_knowable(mark: Marked) -> bool:
    return mark.case.fault is not None and mark.knowable


def _is_named(mark: Marked) -> bool:
    return mark.case.fault is not None and mark.cause_knowable and mark.found


def _at_least(percent: float) -> Callable[[int, int], bool]:
    return lambda k, n: 100 * k >= percent * n


BARS = (
    Bar("healthy logs with an alarm", LOGS, "at most 2", lambda k, _: k <= 2, _is_healthy, lambda m: bool(m.alarms())),
    Bar(
        "healthy logs on which a warning ever opened",
        LOGS,
        "at most 2 %",
        lambda k, n: 100 * k <= 2 * n,
        _is_healthy,
        lambda mark: mark.ever_opened,
    ),
    Bar(
        "healthy logs called healthy",
        LOGS,
        "at least 85 %",
        _at_least(85),
        _is_healthy,
        lambda mark: mark.looks["1.0"]["status"] == "healthy",
    ),
    Bar(
        "found of what can be known, by the hooks",
        LOGS[:1],
        "at least 90 %",
        _at_least(90),
        _is_knowable,
        lambda mark: mark.found,
    ),
    Bar(
        "found of what can be known, from a plain log",
        LOGS[1:],
        "at least 65 %",
        _at_least(65),
        _is_knowable,
        lambda mark: mark.found,
    ),
    Bar(
        "the cause named first, of what was found and can be known",
        LOGS,
        "at least 75 %",
        _at_least(75),
        _is_named,
        lambda mark: mark.has_cause_among(1),
    ),
    Bar(
        "the cause among the first three",
        LOGS,
        "at least 90 %",
        _at_least(90),
        _is_named,
        lambda mark: mark.has_cause_among(3),
    ),
)
TIMES_BEST_PEER = 2.0
"""Our macro F1 on the log that a peer sees, over that of the best peer."""


def table(marked: list[Marked]) -> Iterator[str]:
    """Each bar with what was measured, as Markdown."""
    yield "| figure | measured (95 % interval) | bar | |"
    yield "|---|---|---|---|"
    for bar in BARS:
        counted = [mark for mark in marked if mark.judge in bar.logs and bar.runs(mark)]
        hits = [bar.hit(mark) for mark in counted]
        rate = clustered(hits, [mark.case.task for mark in counted])
        yield f"| {bar.figure} | {rate} | {bar.demand} | {_said(bar.holds(sum(hits), len(hits)))} |"
    for log in LOGS:
        peers = {mark.judge for mark in marked if mark.sees == log and mark.judge != log}
        if peers:
            ours = _macro_f1(marked, log)
            best = max(peers, key=lambda peer: _macro_f1(marked, peer))
            theirs = _macro_f1(marked, best)
            yield (
                f"| macro F1 on the {log} log, times that of the best peer ({best}, {theirs:.2f}) | "
                f"{ours:.2f}: {ours / max(theirs, 0.01):.2f} times | at least twice | "
                f"{_said(ours >= TIMES_BEST_PEER * theirs)} |"
            )


def _macro_f1(marked: list[Marked], judge: str) -> float:
    scores = f_scores([mark for mark in marked if mark.judge == judge])
    return fmean(score for _, _, score in scores.values())


def _said(holds: bool) -> str:
    return "held" if holds else "**missed**"
