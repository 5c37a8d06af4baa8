"""The exam: faults with one injected cause beside the same training without it, and healthy runs that tempt.

    python -m benchmarks.exam [--quick] [--folder FOLDER] [--jobs N] [--again]

Records what is not there yet, judges every run, and prints the tables as Markdown. What can be known of each fault from
each log is declared in the files ``faults_of_*.py``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from pathlib import Path

from benchmarks.exam import record, report
from benchmarks.exam.cases import cases
from benchmarks.exam.faults import FAULTS
from benchmarks.exam.marks import Marked
from benchmarks.exam.verdicts import LOGS, judge

LOGS_FOLDER = Path(__file__).resolve().parents[2] / "build" / "exam"
VERDICT_FILE = "verdict.json"


def judged(job: tuple[str, bool, Path, bool]) -> list[Marked]:
    """Both logs of one run, judged now or before."""
    name, quick, root, again = job
    case = next(case for case in cases(FAULTS, quick=quick) if case.name == name)
    folder = case.folder(root)
    truth = json.loads((folder / record.TRUTH_FILE).read_text())
    path = folder / VERDICT_FILE
    if again or not path.exists():
        accepted = frozenset((*case.fault.causes, *case.fault.symptoms)) if case.fault else frozenset()
        found = {log: judge(folder, log, truth["steps"], accepted=accepted, onset=truth["onset"]) for log in LOGS}
        path.write_text(json.dumps(found))
    found = json.loads(path.read_text())
    return [
        Marked(case, log, truth["onset"], truth["steps"], found[log]["looks"], found[log]["opened"]) for log in LOGS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed of each")
    parser.add_argument("--folder", type=Path, default=LOGS_FOLDER, help="where the logs are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="judge again what was judged before")
    options = parser.parse_args()
    names = [case.name for case in cases(FAULTS, quick=options.quick)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs, maxtasksperchild=8) as pool:
        missing = record.missing(options.folder, quick=options.quick, only="")
        for _ in pool.imap_unordered(record.make, [(case.name, options.quick, options.folder) for case in missing]):
            pass
    with context.Pool(options.jobs) as pool:
        jobs = [(name, options.quick, options.folder, options.again) for name in names]
        marked = [mark for marks in pool.map(judged, jobs, chunksize=4) for mark in marks]
    for part in (report.summary, report.by_fault, report.misses_and_false_alarms):
        print("\n".join(part(marked)), end="\n\n")


if __name__ == "__main__":
    main()
