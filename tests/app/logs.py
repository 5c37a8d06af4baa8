"""Small logs, and a pool without processes, for what is tested many times over."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from trainvitals.config import Config
from trainvitals.kept import KeptDiagnoses
from trainvitals_app.runs.judging import Answer, Job, answer
from trainvitals_app.runs.pool import Pool

PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
OF_THE_CHECKOUT = os.environ | {
    "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("monitor", "hooks", "app")),
    "TRAINVITALS_CACHE": "",
}
"""For another process that uses the app without its being installed."""


class HereAndNow(Pool):
    """Answers each job at once, in the thread that asks."""

    def __init__(self, kept: KeptDiagnoses | None = None) -> None:
        self.jobs: list[Job] = []
        self.is_closed = False
        self._kept = kept or KeptDiagnoses(Config(), None)

    def submit(self, job: Job, rank: float, done: Callable[[Answer], None]) -> None:
        self.jobs.append(job)
        done(answer(job, self._kept))

    def close(self) -> None:
        self.is_closed = True


def healthy(points: int, first: int = 0) -> list[float]:
    """A loss that falls."""
    return [2 + 8 * (step + 10.0) ** -0.5 for step in range(first, first + points)]


def write(folder: Path, losses: Iterable[float]) -> Path:
    """A run as a table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{step},{loss!r}" for step, loss in enumerate(losses)]
    (folder / "metrics.csv").write_text("\n".join(["step,train_loss", *rows]) + "\n")
    return folder


def append(folder: Path, losses: Iterable[float]) -> None:
    """More of it."""
    table = folder / "metrics.csv"
    first = len(table.read_text().splitlines()) - 1
    with table.open("a") as file:
        file.writelines(f"{step},{loss!r}\n" for step, loss in enumerate(losses, start=first))


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread or process."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.01)


NAN = math.nan
