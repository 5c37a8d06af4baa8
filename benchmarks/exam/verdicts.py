"""What is said of each run of the exam, from its whole log and from its beginnings; kept beside the logs.

A verdict is what a person would be shown: warnings and errors that are open, their causes, the status. Looks at the
first 25, 50 and 75 % of a run show what opened and vanished; bisection between them shows when a warning opened.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.exam.training import PLAIN_FILE, WATCHED_FOLDER

import trainvitals
from trainvitals import Run
from trainvitals.model import Diagnosis, Severity, Status

LOGS = {"watched": WATCHED_FOLDER, "plain": PLAIN_FILE}
PREFIXES = (0.25, 0.5, 0.75, 1.0)
BISECTIONS = 5
"""Halvings of the steps between the onset and the first look that has the warning: to within 3 % of them."""


@dataclass(frozen=True)
class Verdict:
    """What one look says.

    Args:
        alarms: names of open findings at warning or above. notes: names of those below.
        causes: ranked names of root causes.
        sure: confidence of each alarm. causes_sure: name and confidence of each cause told of an alarm, not ruled out.
    """

    status: str
    alarms: tuple[str, ...]
    notes: tuple[str, ...]
    causes: tuple[str, ...]
    sure: dict[str, float]
    causes_sure: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, diagnosis: Diagnosis) -> Verdict:
        names = {True: [], False: []}
        for finding in diagnosis.open_findings:
            names[finding.severity is not Severity.INFO].append(finding.name)
        causes = [cause.name for cause in diagnosis.root_causes]
        alarms = [finding for finding in diagnosis.open_findings if finding.severity is not Severity.INFO]
        sure = {finding.name: round(finding.confidence, 3) for finding in alarms}
        told = [cause for finding in alarms for cause in finding.causes if not cause.is_ruled_out]
        causes_sure = tuple((cause.name, round(cause.confidence, 3)) for cause in told)
        return cls(diagnosis.status.value, tuple(names[True]), tuple(names[False]), tuple(causes), sure, causes_sure)

    @property
    def is_healthy(self) -> bool:
        return self.status == Status.HEALTHY.value


def judge(folder: Path, log: str, steps: int, *, accepted: frozenset[str], onset: int) -> dict[str, object]:
    """Verdicts of one log by prefix, and the step at which an accepted warning first stood.

    Args:
        steps: of the whole training.
        accepted: names that count as having found the fault; empty for a healthy run.
        onset: before it nothing can have been found.
    """
    run = trainvitals.read_run(folder / LOGS[log])
    verdicts = {share: _look(run, share * steps) for share in PREFIXES}
    opened = None
    if accepted & set(verdicts[1.0].alarms):
        opened = _opened(run, accepted, onset, steps)
    return {"looks": {str(share): asdict(verdict) for share, verdict in verdicts.items()}, "opened": opened}


def _opened(run: Run, accepted: frozenset[str], onset: int, steps: int) -> int:
    """The first step, as near as the bisection comes, by which an accepted warning stands for good."""
    before, after = onset, steps
    for _ in range(BISECTIONS):
        middle = (before + after) // 2
        if accepted & set(_look(run, middle).alarms):
            after = middle
        else:
            before = middle
    return after


def _look(run: Run, end: float) -> Verdict:
    return Verdict.of(trainvitals.diagnose(beginning(run, end)))


def beginning(run: Run, end: float) -> Run:
    """The run as it was when it had made this step."""
    series = {}
    for tag, whole in run.series.items():
        kept = np.asarray(whole.step) < end
        if kept.any():
            series[tag] = whole if kept.all() else whole.take(kept)
    return replace(run, series=series)
