"""Train and record every run of the exam, several at a time.

    python -m benchmarks.exam.record FOLDER [--quick] [--jobs N] [--only PART]

A run that lies in FOLDER already is not made again. On two cores all of them take about half an hour.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.exam.cases import Case, cases
from benchmarks.exam.faults import FAULTS

TRUTH_FILE = "truth.json"


def make(job: tuple[str, bool, Path]) -> str:
    """Record one run by its name."""
    from contextlib import redirect_stderr
    from io import StringIO

    import torch
    from benchmarks.exam.training import record

    name, quick, root = job
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    case = next(case for case in cases(FAULTS, quick=quick) if case.name == name)
    folder = case.folder(root)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began_s = time.perf_counter()
    with redirect_stderr(StringIO()):
        onset, steps = record(case.settings, case.fault, case.seed, folder)
    truth = {"onset": onset, "seconds": round(time.perf_counter() - began_s, 2), "steps": steps}
    (folder / TRUTH_FILE).write_text(json.dumps(truth))
    return f"{name}: {truth['seconds']} s"


def made(jobs: list[tuple[str, bool, Path]], processes: int) -> Iterator[str]:
    """Record them all, so many at a time, each in a process of its own.

    A fork of a process that has trained already would inherit its threads and its watchers; and what a training leaves
    free is what the leak of the next one would fill, unseen.
    """
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(make, jobs)


def missing(root: Path, *, quick: bool, only: str) -> list[Case]:
    """The runs that are not there yet."""
    wanted = [case for case in cases(FAULTS, quick=quick) if only in case.name]
    return [case for case in wanted if not (case.folder(root) / TRUTH_FILE).exists()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--quick", action="store_true", help="one run of each fault and twin, and of every second control"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="runs whose name holds this")
    options = parser.parse_args()
    jobs = [
        (case.name, options.quick, options.folder)
        for case in missing(options.folder, quick=options.quick, only=options.only)
    ]
    for number, line in enumerate(made(jobs, options.jobs), 1):
        print(f"{number}/{len(jobs)} {line}", flush=True)


if __name__ == "__main__":
    main()
