"""A training loop and clocks that a test turns by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainvitals.config import Config
from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.live.changes import Change
from trainvitals.live.clock import Clock
from trainvitals.live.companion import SHARE
from trainvitals.live.follower import Follower

NOW = 1_000_000.0


@dataclass
class Time:
    """Seconds that pass when told to, and processor seconds that polls are said to cost."""

    now_s: float = NOW
    cpu_s: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, lambda: self.cpu_s, lambda: self.now_s)


@dataclass
class Training:
    """Writes a loss in event files, one point a second of the given time."""

    folder: Path
    time: Time
    step: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    writer: EventFileWriter | None = None

    def healthy(self, points: int) -> None:
        for _ in range(points):
            self.log(1.5 + 6 * (self.step + 10) ** -0.35 + 0.003 * self.rng.standard_normal())

    def log(self, loss: float, times: int = 1) -> None:
        self.writer = self.writer or EventFileWriter(self.folder)
        for _ in range(times):
            self.time.now_s += 1
            self.writer.write_scalars(self.step, {"train/loss": loss}, self.time.now_s)
            self.step += 1

    def restart(self, step: int) -> None:
        """Go on from a step in a new file, as a resumed process does."""
        assert self.writer is not None
        self.writer.close()
        self.writer = EventFileWriter(self.folder, resume_step=step, suffix=f".{step}")
        self.step = step


def following(
    path: Path, time: Time, config: Config | None = None, *, share: float = SHARE, alone: bool = False
) -> Follower:
    return Follower(path, config, share=share, alone=alone, clock=time.clock())


def polled(follower: Follower, time: Time, seconds: int) -> list[Change]:
    """The changes of a poll a second."""
    changes = []
    for _ in range(seconds):
        time.now_s += 1
        changes += follower.poll()
    return changes


def names(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.finding.name) for change in changes]
