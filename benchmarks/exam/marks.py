"""How verdicts are held against the truth: what counts as found, as a false alarm, as the right cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.exam.cases import Case
from benchmarks.intervals import clustered_wilson

HELD_OUT_LABELS = {False: "development", True: "held out"}


@dataclass(frozen=True)
class Marked:
    """One run with what was said of it.

    Args:
        judge: who said it: ours on the ``watched`` or the ``plain`` log, or the name of a peer.
        sees: which of the two logs the judge was given.
        looks: by prefix, the whole run under "1.0": ``alarms``, ``notes``, ``causes``, ``status``; of ours
            also ``sure`` and ``causes_sure``.
        opened: step of the first accepted warning.
        onset, steps: of the fault, and of the whole training.
    """

    case: Case
    judge: str
    sees: str
    onset: int
    steps: int
    looks: dict[str, dict[str, Any]]
    opened: int | None

    def alarms(self, look: str = "1.0") -> set[str]:
        return set(self.looks[look]["alarms"])

    @property
    def accepted(self) -> frozenset[str]:
        fault = self.case.fault
        return frozenset((*fault.causes, *fault.symptoms)) if fault else frozenset()

    @property
    def reported(self) -> set[str]:
        """What is looked at for this fault: notes too where a note is what should be found."""
        notes = self.looks["1.0"]["notes"] if self.case.fault and self.case.fault.is_note else ()
        return self.alarms() | set(notes)

    @property
    def knowable(self) -> bool:
        """Whether something can be seen to be wrong in this log."""
        return self._knowledge.symptom

    @property
    def cause_knowable(self) -> bool:
        return self._knowledge.cause

    @property
    def found(self) -> bool:
        return bool(self.reported & self.accepted)

    @property
    def ever_opened(self) -> bool:
        return any(self.alarms(look) for look in self.looks)

    def vanished(self) -> list[str]:
        """Names of warnings that stood at an earlier look and not at the end."""
        early = set().union(*(self.alarms(look) for look in self.looks))
        return sorted(early - self.alarms())

    def has_cause_among(self, first: int) -> bool:
        assert self.case.fault is not None
        return bool(set(self.looks["1.0"]["causes"][:first]) & set(self.case.fault.causes))

    @property
    def _knowledge(self):
        assert self.case.fault is not None
        return getattr(self.case.fault, self.sees)


def clustered(hits: list[bool], tasks: list[str]) -> str:
    """A rate with a 95 % interval that knows that runs of one task resemble each other."""
    n, k = len(hits), sum(hits)
    if not n:
        return "0 of 0"
    low, high = clustered_wilson(hits, tasks)
    return f"{k} of {n} ({100 * k / n:.0f} %, {100 * low:.0f}-{100 * high:.0f} %)"


def f_scores(marked: list[Marked]) -> dict[str, tuple[float, float, float]]:
    """Precision, recall and F1 of each fault.

    Found in a run of the fault: one of the accepted names is reported. A false claim of it: an alarm of one of these
    names on a healthy run; or one of its causes on a run of another fault that does not accept that name. Faults of
    which nothing can be known in the log are left out.
    """
    faults = {mark.case.fault.name: mark.case.fault for mark in marked if mark.case.fault and mark.knowable}
    scores = {}
    for name, fault in faults.items():
        own = [mark for mark in marked if mark.case.fault is fault]
        true = sum(mark.found for mark in own)
        claims = {*fault.causes, *fault.symptoms}
        false = sum(bool(mark.alarms() & claims) for mark in marked if mark.case.fault is None)
        others = [mark for mark in marked if mark.case.fault not in (None, fault)]
        false += sum(bool(mark.alarms() & set(fault.causes) - mark.accepted) for mark in others)
        precision = true / (true + false) if true + false else 0.0
        recall = true / len(own)
        scores[name] = (precision, recall, 2 * precision * recall / (precision + recall) if true else 0.0)
    return scores
