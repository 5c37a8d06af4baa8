"""The exam: faults with one injected cause beside the same training without it, and healthy runs that tempt.

    python -m benchmarks.exam [--quick] [--folder FOLDER] [--jobs N] [--again] [--peers FOLDER] [--keep]

Records what is not there yet, judges every run, and prints the tables as Markdown. What can be known of each fault from
each log is declared in the files ``faults_of_*.py``. ``--keep`` writes the verdicts to ``results.json``, from which
``scripts/accuracy.py`` makes ``docs/accuracy.md``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.exam import bars, record, report, results
from benchmarks.exam.cases import Case, cases
from benchmarks.exam.faults import FAULTS
from benchmarks.exam.marks import Marked
from benchmarks.exam.peers import PEERS
from benchmarks.exam.published_rules import autotrainer, sagemaker_debugger
from benchmarks.exam.torchmortem_hooked import ALARMS_FILE as TORCHMORTEM_FILE
from benchmarks.exam.verdicts import LOGS, judge

import trainvitals

LOGS_FOLDER = Path(__file__).resolve().parents[2] / "build" / "exam"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed of each")
    parser.add_argument("--folder", type=Path, default=LOGS_FOLDER, help="where the logs are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="judge again what was judged before")
    parser.add_argument("--peers", type=Path, help="where runmedic, trainproof and losslint lie; see peers.py")
    parser.add_argument("--keep", action="store_true", help="write the verdicts to results.json")
    options = parser.parse_args()
    names = [case.name for case in cases(FAULTS, quick=options.quick)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs, maxtasksperchild=8) as pool:
        missing = record.missing(options.folder, quick=options.quick, only="")
        for _ in pool.imap_unordered(record.make, [(case.name, options.quick, options.folder) for case in missing]):
            pass
    with context.Pool(options.jobs) as pool:
        jobs = [Job(name, options.quick, options.folder, options.again, options.peers) for name in names]
        marked = [mark for marks in pool.map(judged, jobs, chunksize=4) for mark in marks]
    if options.keep:
        results.save(marked)
    ours = [mark for mark in marked if mark.judge == mark.sees]
    for part in (bars.table(marked), report.summary(marked), report.by_fault(marked), report.false_alarms(ours)):
        print("\n".join(part), end="\n\n")
    for mark in report.misses(ours):
        said = ", ".join(sorted(mark.alarms())) or mark.looks["1.0"]["status"]
        print(f"- missed: {mark.case.name} ({mark.judge}): {said}")


if __name__ == "__main__":
    main()
