"""The tables of the exam, from the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import fmean, median

from benchmarks.exam.marks import HELD_OUT_LABELS, Marked, clustered, f_scores

Lines = Iterator[str]


def _rate(marked: list[Marked], hit: Callable[[Marked], bool]) -> str:
    return clustered([hit(mark) for mark in marked], [mark.case.task for mark in marked])


def summary(marked: list[Marked]) -> Lines:
    """The bars of the exam, all judges side by side."""
    judges = list(dict.fromkeys(mark.judge for mark in marked))
    yield f"| | {' | '.join(judges)} |"
    yield "|---" * (len(judges) + 1) + "|"
    for title, row in ROWS.items():
        cells = [row([mark for mark in marked if mark.judge == judge]) for judge in judges]
        yield f"| {title} | {' | '.join(cells)} |"


def _healthy(marked: list[Marked]) -> list[Marked]:
    return [mark for mark in marked if mark.case.fault is None]


def _faulty(marked: list[Marked], *, held_out: bool | None = None) -> list[Marked]:
    return [m for m in marked if m.case.fault and (held_out is None or m.case.held_out is held_out)]


def _knowable(marked: list[Marked], **which: bool) -> list[Marked]:
    return [mark for mark in _faulty(marked, **which) if mark.knowable]


def _named(marked: list[Marked]) -> list[Marked]:
    """Found, with a cause that can be known."""
    return [mark for mark in _faulty(marked) if mark.cause_knowable and mark.found]


def _latency(marked: list[Marked]) -> str:
    late = [mark.opened - mark.onset for mark in _faulty(marked) if mark.opened is not None]
    return f"median {median(late):.0f} of {len(late)}" if late else "none"


def _unspent(marked: list[Marked]) -> str:
    left = [1 - mark.opened / mark.steps for mark in _faulty(marked) if mark.opened is not None]
    return f"median {100 * median(left):.0f} %" if left else "none"


def _macro_f1(marked: list[Marked]) -> str:
    return f"{fmean(score[2] for score in f_scores(marked).values()):.2f}"


ROWS: dict[str, Callable[[list[Marked]], str]] = {
    "alarms on healthy runs": lambda marked: _rate(_healthy(marked), lambda mark: bool(mark.alarms())),
    "healthy runs on which a warning ever opened": lambda marked: _rate(_healthy(marked), lambda m: m.ever_opened),
    "healthy runs called healthy": lambda marked: _rate(
        _healthy(marked), lambda mark: mark.looks["1.0"]["status"] == "healthy"
    ),
    "recall of what is knowable": lambda marked: _rate(_knowable(marked), lambda mark: mark.found),
    **{
        f"recall, {label}": lambda marked, held_out=held_out: _rate(
            _knowable(marked, held_out=held_out), lambda mark: mark.found
        )
        for held_out, label in HELD_OUT_LABELS.items()
    },
    "recall over all faults": lambda marked: _rate(_faulty(marked), lambda mark: mark.found),
    "cause first, of what is found and knowable": lambda m: _rate(_named(m), lambda mark: mark.has_cause_among(1)),
    "cause among the first three": lambda marked: _rate(_named(marked), lambda mark: mark.has_cause_among(3)),
    "no cause named where a fault was found": lambda marked: _rate(
        [mark for mark in _faulty(marked) if mark.found], lambda mark: not mark.looks["1.0"]["causes"]
    ),
    "macro F1": _macro_f1,
    "steps from the onset to the warning": _latency,
    "steps unspent when the warning opened": _unspent,
    "runs with a warning that opened and vanished": lambda marked: _rate(marked, lambda mark: bool(mark.vanished())),
}


def by_fault(marked: list[Marked]) -> Lines:
    """Each fault: found, first cause right, what else was said."""
    yield "| fault | log | knowable | found | cause first | precision | said besides |"
    yield "|---|---|---|---|---|---|---|"
    for log in ("watched", "plain"):
        of_log = [mark for mark in marked if mark.judge == log]
        scores = f_scores(of_log)
        for name in sorted({mark.case.fault.name for mark in of_log if mark.case.fault}):
            own = [mark for mark in of_log if mark.case.fault and mark.case.fault.name == name]
            besides = sorted(set().union(*(mark.alarms() - mark.accepted for mark in own)))
            knowable = "cause" if own[0].cause_knowable else "symptom" if own[0].knowable else "no"
            precision = f"{scores[name][0]:.2f}" if name in scores else ""
            yield (
                f"| {name}{' (held out)' if own[0].case.fault.held_out else ''} | {log} | {knowable} | "
                f"{sum(m.found for m in own)} of {len(own)} | {sum(m.has_cause_among(1) for m in own)} | "
                f"{precision} | {', '.join(besides)} |"
            )


def apart(marked: list[Marked]) -> Lines:
    """What was tuned on and what was held out, side by side."""
    yield f"| | {' | '.join(HELD_OUT_LABELS.values())} |"
    yield "|---" * (len(HELD_OUT_LABELS) + 1) + "|"
    for log in ("watched", "plain"):
        of_log = [mark for mark in marked if mark.judge == log]
        for title, runs, hit in (
            ("found of what can be known", _knowable, lambda mark: mark.found),
            ("cause first, of those", _named, lambda mark: mark.has_cause_among(1)),
        ):
            cells = [
                _rate(runs([mark for mark in of_log if mark.case.held_out is held_out]), hit)
                for held_out in HELD_OUT_LABELS
            ]
            yield f"| {title}, {log} | {' | '.join(cells)} |"


def false_alarms(marked: list[Marked]) -> Lines:
    """By name, so that each can be looked at: what stood at which share of a healthy run."""
    for mark in _healthy(marked):
        if mark.ever_opened:
            opened = {look: ", ".join(sorted(mark.alarms(look))) for look in mark.looks if mark.alarms(look)}
            said = "; ".join(f"{names} at {100 * float(look):.0f} % of the run" for look, names in opened.items())
            yield f"- {mark.case.name} ({mark.judge}): {said}"


def misses(marked: list[Marked]) -> list[Marked]:
    """What can be known and was not found."""
    return [mark for mark in _faulty(marked) if mark.knowable and not mark.found]
