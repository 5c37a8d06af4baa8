"""The exam: faults with one injected cause beside the same training without it, and healthy runs that tempt.

    python -m benchmarks.exam [--quick] [--folder FOLDER] [--jobs N] [--again] [--peers FOLDER] [--keep]

Records what is not there yet, judges every run, and prints the tables as Markdown. What can be known of each fault from
each log is declared in the files ``faults_of_*.py``. ``--keep`` writes the verdicts to ``results.json``, from which
``scripts/accuracy.py`` makes ``docs/accuracy.md``.
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path

from benchmarks.exam import bars, record, report, results
from benchmarks.exam.cases import cases
from benchmarks.exam.faults import FAULTS
from benchmarks.exam.judging import Job, kept_verdicts, make_verdicts

LOGS_FOLDER = Path(__file__).resolve().parents[2] / "build" / "exam"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="one run of each fault and twin, and of every second control"
    )
    parser.add_argument("--folder", type=Path, default=LOGS_FOLDER, help="where the logs are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="judge again what was judged before")
    parser.add_argument("--peers", type=Path, help="where runmedic, trainproof and losslint lie; see peers.py")
    parser.add_argument("--keep", action="store_true", help="write the verdicts to results.json")
    options = parser.parse_args()
    names = [case.name for case in cases(FAULTS, quick=options.quick)]
    missing = record.missing(options.folder, quick=options.quick, only="")
    for _ in record.made([(case.name, options.quick, options.folder) for case in missing], options.jobs):
        pass
    jobs = [Job(name, options.quick, options.folder, options.again, options.peers) for name in names]
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        pool.map(make_verdicts, jobs, chunksize=4)
    marked = [mark for job in jobs for mark in kept_verdicts(job)]
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
