"""A process that reads and judges runs for the server; ``pool.py`` starts it.

Jobs come in, some at once, and answers go out as pickles over its standard streams. It ends when they close, so it
never outlives the server, however that ends.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from trainvitals.errors import TrainvitalsError
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import read_files
from trainvitals.kept import KeptDiagnoses, RunSummary
from trainvitals.kept.summary import summarise
from trainvitals.model import Diagnosis, Progress, Run, Status, Verdict
from trainvitals.reporters.visible import visible
from trainvitals.signals import understand
from trainvitals_app.runs.memory import return_large_blocks

# Below the training that may run beside it, and below the server.
NICENESS = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One run to look at.

    Args:
        run_id: what it is called.
        files: those that belong to it.
        judge: whether to judge it; else it is read for its values.
    """

    run_id: str
    files: RunFiles
    judge: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a job.

    Args:
        summary: None where the run cannot be read.
        judged: whether the summary holds a verdict; else its diagnosis is empty.
        trouble: why it cannot be read, in a line.
        cost_s: processor seconds.
    """

    summary: RunSummary | None
    judged: bool
    trouble: str | None
    cost_s: float


def answer(job: Job, kept: KeptDiagnoses) -> Answer:
    """Do one job. Whatever is wrong with the files becomes a line."""
    began_s = time.process_time()
    summary, trouble = None, None
    try:
        summary = kept.summary(job.files, job.run_id) if job.judge else _values(job, kept)
    except TrainvitalsError as error:
        trouble = visible(error.message())
    except Exception as error:
        trouble = visible(f"{job.run_id}: it could not be read: {type(error).__name__}: {error}")
    return Answer(summary, job.judge and summary is not None, trouble, time.process_time() - began_s)


def _values(job: Job, kept: KeptDiagnoses) -> RunSummary:
    run = replace(read_files(job.files, kept.config.purge), id=job.run_id)
    return summarise(run, _not_judged(run, kept), grew_at_s=_changed_at_s(job.files))


def _not_judged(run: Run, kept: KeptDiagnoses) -> Diagnosis:
    return Diagnosis(
        id=run.id,
        path=run.path,
        name=run.name,
        format=run.format,
        first_step=run.first_step,
        last_step=run.last_step,
        points=run.points,
        status=Status.UNDETERMINED,
        signals=understand(run, kept.config.signals).summary(),
        progress=Progress(None, Verdict.INCONCLUSIVE),
    )


def _changed_at_s(files: RunFiles) -> float:
    return max((path.stat().st_mtime for _, path in files.files if path.exists()), default=float("nan"))


def main() -> None:
    """Take the settings, then answer jobs until there are no more."""
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return_large_blocks()
    try:
        kept: KeptDiagnoses = pickle.load(jobs)
        while True:
            some: list[Job] = pickle.load(jobs)
            for job in some:
                if job.judge:
                    _give_way()
                pickle.dump(answer(job, kept), answers)
                answers.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _give_way() -> None:
    """Let others go first. Not for the values before: somebody waits for them, and they are read in a moment."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
