"""What is said of one run of the exam: by us on both of its logs, and by the others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.exam import record
from benchmarks.exam.cases import Case, cases
from benchmarks.exam.faults import FAULTS
from benchmarks.exam.marks import Marked
from benchmarks.exam.peers import PEERS
from benchmarks.exam.published_rules import autotrainer, sagemaker_debugger
from benchmarks.exam.torchmortem_hooked import ALARMS_FILE as TORCHMORTEM_FILE
from benchmarks.exam.verdicts import LOGS, judge

import trainvitals

VERDICT_FILE, PEERS_FILE = "verdict.json", "peers.json"


@dataclass(frozen=True)
class Job:
    """One run to be judged.

    Args:
        again: judge again what was judged before. peers: where the other linters lie.
    """

    name: str
    quick: bool
    root: Path
    again: bool
    peers: Path | None

    @property
    def case(self) -> Case:
        return next(case for case in cases(FAULTS, quick=self.quick) if case.name == self.name)


def judged(job: Job) -> list[Marked]:
    """What is said of both logs of one run, now or before."""
    case = job.case
    folder = case.folder(job.root)
    truth = json.loads((folder / record.TRUTH_FILE).read_text())
    path = folder / VERDICT_FILE
    if job.again or not path.exists():
        accepted = frozenset((*case.fault.causes, *case.fault.symptoms)) if case.fault else frozenset()
        found = {log: judge(folder, log, truth["steps"], accepted=accepted, onset=truth["onset"]) for log in LOGS}
        path.write_text(json.dumps(found))
    found = json.loads(path.read_text())
    marks = [
        Marked(case, log, log, truth["onset"], truth["steps"], found[log]["looks"], found[log]["opened"])
        for log in LOGS
    ]
    if job.peers:
        said = _said_by_peers(folder, job.peers)
        marks += [
            Marked(case, name, sees, truth["onset"], truth["steps"], {"1.0": look}, None)
            for name, (sees, look) in said.items()
        ]
    return marks


def _said_by_peers(folder: Path, programs: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    path = folder / PEERS_FILE
    if not path.exists():
        watched = trainvitals.read_run(folder / LOGS["watched"])
        alarms = {peer.name: ("plain", peer.alarms(programs, folder / LOGS["plain"])) for peer in PEERS}
        alarms |= {rules.__name__: ("watched", rules(watched)) for rules in (sagemaker_debugger, autotrainer)}
        path.write_text(json.dumps(alarms))
    found = json.loads(path.read_text())
    if (hooked := folder / TORCHMORTEM_FILE).exists():
        found["torchmortem"] = ("watched", json.loads(hooked.read_text()))
    return {
        name: (sees, {"alarms": said, "notes": [], "causes": said, "status": "warning" if said else "healthy"})
        for name, (sees, said) in found.items()
    }
