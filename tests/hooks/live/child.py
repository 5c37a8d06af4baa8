"""What stands for the process that diagnoses, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from trainvitals.model import Finding, Severity
from trainvitals.reporters.live_json import Final, Standing, Told

PLATEAU = Finding("LOS005", "plateau", Severity.WARNING, 0.9, "flat", first_step=3)
SPIKES = Finding("LOS003", "loss-spikes", Severity.INFO, 0.6, "3 spikes", first_step=1)
OPENED = Told("opened", PLATEAU, "opened    warning  plateau since step 3 (very likely): flat")
STANDING = Standing("sick: plateau since step 3 (very likely)", (PLATEAU,), "**sick: plateau**")


@dataclass
class Child:
    """Stands for a process. ``says`` is what the next call of ``lines`` gives, ``last`` what comes at the end."""

    made: ClassVar[list[Child]] = []
    folder: object
    settings: dict[str, object]
    says: list[object] = field(default_factory=list)
    last: list[object] = field(default_factory=lambda: [STANDING, Final(1.5)])
    end: str | None = None
    refused: bool = False
    looks: int = 0
    shares: list[float] = field(default_factory=list)
    is_killed: bool = False
    is_let_go: bool = False

    def lines(self):
        says, self.says = self.says, []
        return says

    def look(self):
        self.looks += 1

    def take_share(self, share):
        self.shares.append(share)

    def finish(self, patience_s, take):
        for line in self.last:
            if line is KeyboardInterrupt:
                raise KeyboardInterrupt
            take(line)
        return None if any(isinstance(line, Final) for line in self.last) else f"not within {patience_s:.0f} s"

    def kill(self):
        self.is_killed = True

    def let_go(self):
        self.is_let_go = True
