"""A few processes that read and judge runs in the background.

They are started as programs of their own rather than by ``multiprocessing``: that would import the main script in each
of them, and the main script of a Streamlit server is the app.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trainvitals
import trainvitals_app
from trainvitals.formats.format import RunFiles
from trainvitals.kept import KeptDiagnoses, RunSummary
from trainvitals_app.runs.judging import Answer, Job

# More than these take memory for little: reading is bound by the disk, and other people work on the machine.
MOST_PROCESSES = 4
READ_AT_ONCE = 8
# Each holds the libraries that judging needs, so that it goes when there is nothing to do for a while.
IDLE_S = 30.0
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Found without being told; before the standard library it would be in the way.
INSTALLED = ("site-packages", "dist-packages")

_LOG = logging.getLogger(__name__)

Done = Callable[[Answer], None]


@dataclass(order=True, slots=True)
class _Waiting:
    """A job in the queue: the smallest rank first, then the order in which they came."""

    rank: float
    number: int
    job: Job = field(compare=False)
    done: Done = field(compare=False)


class Pool:
    """Answers jobs, a few at once.

    Args:
        kept: by which settings runs are judged, and where verdicts are kept.
        processes: at most so many; as many as there are cores, up to ``MOST_PROCESSES``, if None.
    """

    def __init__(self, kept: KeptDiagnoses, processes: int | None = None) -> None:
        self._kept = kept
        self._queue: queue.PriorityQueue[_Waiting] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._closed = threading.Event()
        self._children: set[_Child] = set()
        self._lock = threading.Lock()
        count = processes or min(MOST_PROCESSES, _cores())
        self._threads = [
            threading.Thread(target=self._work, name=f"trainvitals-judging-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job, rank: float, done: Done) -> None:
        """Have a job done.

        Args:
            job: what to do.
            rank: what has a smaller one is done first.
            done: called with the answer, in a thread of the pool.
        """
        self._queue.put(_Waiting(rank, next(self._numbers), job, done))

    def kept(self, run_id: str, files: RunFiles) -> RunSummary | None:
        """The summary that was kept of a run, if there is one: sooner than any process could answer."""
        return self._kept.find(files, run_id)

    @property
    def process_ids(self) -> list[int]:
        """Those of the processes that are there at this moment."""
        with self._lock:
            return [child.process.pid for child in self._children]

    def close(self) -> None:
        """End the processes and forget what waits."""
        self._closed.set()
        with self._lock:
            for child in self._children:
                child.process.kill()

    def _work(self) -> None:
        child: _Child | None = None
        with contextlib.suppress(OSError):
            # It loads what it needs while the files are still looked for.
            child = self._employ()
        while not self._closed.is_set():
            try:
                batch = self._next(timeout_s=IDLE_S if child else 1.0)
            except queue.Empty:
                if child is not None:
                    self._dismiss(child)
                    child = None
                continue
            try:
                child = child or self._employ()
                child.tell([waiting.job for waiting in batch])
                while batch:
                    answered = child.answer()
                    self._hand_over(batch.pop(0), answered)
            except Exception as error:
                if child is not None:
                    self._dismiss(child)
                    child = None
                # It is the first one without an answer that it could not bear; the others are for another process.
                ended, *rest = batch
                for waiting in rest:
                    self._queue.put(waiting)
                why = f"the process that read it ended ({type(error).__name__})"
                trouble = f"{ended.job.run_id}: {why}; is there enough memory?"
                self._hand_over(ended, Answer(None, False, trouble, 0.0))
        if child is not None:
            self._dismiss(child)

    def _next(self, timeout_s: float) -> list[_Waiting]:
        """The next job; with one that only reads, some more such, so that the process does not wait for this thread.

        While the server starts or draws a page, a thread of it waits longer for its turn than such a job takes.

        Raises:
            queue.Empty: none came in time.
        """
        batch = [self._queue.get(timeout=timeout_s)]
        while len(batch) < READ_AT_ONCE and not batch[-1].job.judge:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting.job.judge:
                self._queue.put(waiting)
                break
            batch.append(waiting)
        return batch

    def _hand_over(self, waiting: _Waiting, answered: Answer) -> None:
        if self._closed.is_set():
            return
        try:
            waiting.done(answered)
        except Exception:
            # The thread goes on with the other runs.
            _LOG.exception("what came of %s could not be taken in", waiting.job.run_id)

    def _employ(self) -> _Child:
        child = _Child(self._kept)
        with self._lock:
            self._children.add(child)
        return child

    def _dismiss(self, child: _Child) -> None:
        with self._lock:
            self._children.discard(child)
        child.end()


class _Child:
    """One process.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, kept: KeptDiagnoses) -> None:
        # -P keeps the working folder, which may hold a `random.py` of a training, off the path of imports.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-c", "from trainvitals_app.runs.judging import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            # Ctrl-C in the terminal is for the server, which closes the pipes.
            process_group=0,
        )
        self._send(kept)

    def tell(self, jobs: Sequence[Job]) -> None:
        """Have these jobs done; each has one ``answer``, in this order.

        Raises:
            OSError: the process has ended.
        """
        self._send(list(jobs))

    def answer(self) -> Answer:
        """The next answer, waited for.

        Raises:
            Exception: the process has ended, and whatever a torn pickle raises.
        """
        assert self.process.stdout is not None
        answered: Answer = pickle.load(self.process.stdout)
        return answered

    def end(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _send(self, value: object) -> None:
        assert self.process.stdin is not None
        pickle.dump(value, self.process.stdin)
        self.process.stdin.flush()


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """This process's, with one thread a child, and the packages where this process found them."""
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    homes = [Path(package.__path__[0]).absolute().parent for package in (trainvitals, trainvitals_app)]
    found = [str(home) for home in dict.fromkeys(homes) if home.name not in INSTALLED]
    environment["PYTHONPATH"] = os.pathsep.join([*found, *filter(None, [environment.get("PYTHONPATH")])])
    return environment
