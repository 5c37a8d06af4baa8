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


def make_verdicts(job: Job) -> None:
    """Have both logs of one run judged, and keep beside them what is said."""
    case = job.case
    folder = case.folder(job.root)
    truth = json.loads((folder / record.TRUTH_FILE).read_text())
    path = folder / VERDICT_FILE
    if job.again or not path.exists():
        accepted = frozenset((*case.fault.causes, *case.fault.symptoms)) if case.fault else frozenset()
        found = {log: judge(folder, log, truth["steps"], accepted=accepted, onset=truth["onset"]) for log in LOGS}
        path.write_text(json.dumps(found))
    if job.peers and not (folder / PEERS_FILE).exists():
        _ask_peers(folder, job.peers)


def kept_verdicts(job: Job) -> list[Marked]:
    """What ``make_verdicts`` kept, as marks."""
    case = job.case
    folder = case.folder(job.root)
    truth = json.loads((folder / record.TRUTH_FILE).read_text())
    found = json.loads((folder / VERDICT_FILE).read_text())
    marks = [
        Marked(case, log, log, truth["onset"], truth["steps"], found[log]["looks"], found[log]["opened"])
        for log in LOGS
    ]
    if job.peers:
        marks += [
            Marked(case, name, sees, truth["onset"], truth["steps"], {"1.0": look}, None)
            for name, (sees, look) in _said_by_peers(folder).items()
        ]
    return marks


def _ask_peers(folder: Path, programs: Path) -> None:
    watched = trainvitals.read_run(folder / LOGS["watched"])
    alarms = {peer.name: ("plain", peer.alarms(programs, folder / LOGS["plain"])) for peer in PEERS}
    alarms |= {rules.__name__: ("watched", rules(watched)) for rules in (sagemaker_debugger, autotrainer)}
    (folder / PEERS_FILE).write_text(json.dumps(alarms))


def _said_by_peers(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    found = json.loads((folder / PEERS_FILE).read_text())
    if (hooked := folder / TORCHMORTEM_FILE).exists():
        found["torchmortem"] = ("watched", json.loads(hooked.read_text()))
    return {
        name: (sees, {"alarms": said, "notes": [], "causes": said, "status": "warning" if said else "healthy"})
        for name, (sees, said) in found.items()
    }
