"""What a process of a training does for its record: write it, or tell rank 0 what only this process knows."""

from __future__ import annotations

import json
import sys
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

import torch

from trainvitals import tags
from trainvitals_hooks.console import Once
from trainvitals_hooks.processes.distributed import MESSAGES_KEPT, Mailbox, join
from trainvitals_hooks.processes.shared_reading import (
    Arrays,
    SharedReading,
    nothing,
    of_each_rank,
    pack,
    part_of,
    unpack,
)
from trainvitals_hooks.recording.anomaly import DENSE_STEPS
from trainvitals_hooks.recording.reading import Named, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trainvitals_hooks.recording.schedule import Schedule
    from trainvitals_hooks.recording.steps import Steps

PATIENCE_STEPS, PATIENCE_S = 4, 1.0
"""Rank 0 goes on without a message when it has made so many more steps and so much time has passed. Ranks that exchange
gradients are at most one step apart; on an accelerator the numbers take a few steps to the host."""
MOST_STEPS = MESSAGES_KEPT // 2
"""Later than that, a message may be gone from the store."""
WAITS_S = 0.002
"""From one look to the next where there is nothing to do but wait."""
SILENT_RECORDS = DENSE_STEPS + 2
"""After so many records without a message from a rank, nobody waits for it until it sends one. Of the dense records
after an anomaly a rank may hear too late."""


NEVER = sys.maxsize


class Ranks:
    """A process that trains alone.

    Attributes:
        notice_steps: how much earlier the others must be told of a recorded step than this one must know of it.
    """

    notice_steps = 0
    rank = 0
    size = 1
    writes = True
    are_in_reach = False
    once: Once

    def __init__(self) -> None:
        self.once = Once()

    def step_made(self) -> None:
        """Count a step of the training. What is put into the record from now on is of this step or a later one."""

    def agree(self, schedule: Schedule, steps: Steps) -> None:
        """Bring the schedules of all ranks together, as far as they have heard of each other."""

    def expect(self) -> Expected | None:
        """The messages of the other ranks about the step last counted."""
        return None

    def step_time(self, _: float) -> list[Reading]:
        """The time of a step, in seconds, of each rank."""
        return []

    def close(self) -> None:
        """Nothing more is recorded."""


class _OneOfSeveral(Ranks):
    # What rank 0 posts at the end of a step is there when the gradients of the next one have been exchanged.
    notice_steps = 1

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__()
        self.rank, self.size = mailbox.rank, mailbox.size
        self.are_in_reach = mailbox.reachable
        self._mailbox = mailbox
        self._count = 0

    def step_made(self) -> None:
        self._count += 1

    def step_time(self, seconds: float) -> list[Reading]:
        return [of_each_rank(torch.tensor([seconds]), tags.STEP_TIME_S)]

    def close(self) -> None:
        self._mailbox.close()


class FirstRank(_OneOfSeveral):
    """Rank 0: decides which steps are recorded, and writes."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(mailbox)
        self._told: dict[str, object] = {}
        self._version = 0
        self._waited_in_vain = dict.fromkeys(range(1, self.size), 0)

    def agree(self, schedule: Schedule, steps: Steps) -> None:
        self._tell({"plan": schedule.plan, "ahead": steps.current - self._count})

    def expect(self) -> Expected | None:
        return Expected(self, self._mailbox, self._count)

    def close(self) -> None:
        self._tell({})
        super().close()

    @property
    def awaited(self) -> list[int]:
        """The ranks that are still expected to send messages."""
        return [rank for rank, times in self._waited_in_vain.items() if times < SILENT_RECORDS]

    @property
    def silent(self) -> list[int]:
        """The others."""
        return [rank for rank, times in self._waited_in_vain.items() if times >= SILENT_RECORDS]

    def is_over(self, count: int, since_s: float) -> bool:
        """Whether nobody waits any longer for the messages of a step expected since then."""
        later = self._count - count
        return later > MOST_STEPS or (later >= PATIENCE_STEPS and perf_counter() - since_s >= PATIENCE_S)

    def missed(self, rank: int) -> None:
        """A rank has not answered."""
        self._waited_in_vain[rank] += 1
        if self._waited_in_vain[rank] == SILENT_RECORDS:
            self.complain(rank, "is watch called on every rank?")

    def complain(self, rank: int, guess: str) -> None:
        """Tell that a rank tells too little, and why, as far as it knows."""
        troubles = self._mailbox.take(key) if self._mailbox.are_there(key := [_trouble(rank)]) else []
        reason = troubles[0].decode(errors="replace") if troubles else guess
        self.once.tell("rank", f"rank {rank} does not tell what it should: {reason}")

    def answered(self, rank: int) -> None:
        """A rank has answered."""
        self._waited_in_vain[rank] = 0

    def _tell(self, told: dict[str, object]) -> None:
        if told != self._told:
            self._told = told
            self._version += 1
            self._mailbox.post(_plan(self._version), json.dumps(told).encode(), keep=True)


class OtherRank(_OneOfSeveral):
    """Any other rank: measures what only it can, sends it, writes and prints nothing."""

    writes = False

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__(mailbox)
        self.once = _Complaints(mailbox)
        self._version = 0
        self._told: dict[str, Any] = {}

    def agree(self, schedule: Schedule, steps: Steps) -> None:
        if self._mailbox.may_look:
            self._listen()
        if self._told:
            schedule.follow(*self._told["plan"])
            steps.current = self._count + self._told["ahead"]
        elif self._version:
            schedule.follow(NEVER, 0, 0)

    def send(self, readings: Sequence[SharedReading], arrays: Sequence[Arrays], count: int) -> None:
        """Send what was measured at a step, if rank 0 is there to read it."""
        if not self._version:
            self._listen()
        if self._told:
            self._mailbox.post(_part(self.rank, count), pack(readings, arrays))

    @property
    def count(self) -> int:
        """Steps made since ``watch``."""
        return self._count

    def _listen(self) -> None:
        while self._mailbox.are_there(key := [_plan(self._version + 1)]):
            heard = self._mailbox.take(key)
            if not heard:
                return
            self._version += 1
            self._told = json.loads(heard[0])


class Expected:
    """The messages of the other ranks about one step."""

    def __init__(self, first: FirstRank, mailbox: Mailbox, count: int) -> None:
        self._first = first
        self._mailbox = mailbox
        self._count = count
        self._since_s = perf_counter()
        self._messages: dict[int, dict[int, NDArray[np.float64]]] | None = None

    def have_arrived(self) -> bool:
        """Whether everything that can be hoped for is there."""
        if self._messages is None:
            ranks = self._first.awaited
            if not self._mailbox.reachable:
                self._messages = {}
            elif not ranks or self._mailbox.are_there([_part(rank, self._count) for rank in ranks]):
                self._read([*ranks, *filter(self._is_there, self._first.silent)])
            elif self._first.is_over(self._count, self._since_s):
                self.give_up()
        return self._messages is not None

    def wait(self) -> None:
        """At the end: until everything is there, or for a short while."""
        end_s = perf_counter() + PATIENCE_S
        while not self.have_arrived() and perf_counter() < end_s:
            sleep(WAITS_S)
        self.give_up()

    def give_up(self) -> None:
        """Take what is there now."""
        if self._messages is not None:
            return
        there = []
        for rank in [*self._first.awaited, *self._first.silent]:
            if self._is_there(rank):
                there.append(rank)
            else:
                self._first.missed(rank)
        self._read(there)

    def conclude(self, reading: SharedReading, mine: Arrays) -> Named:
        """What this reading is of all ranks together."""
        parts = {self._first.rank: mine}
        for rank, message in (self._messages or {}).items():
            if (part := part_of(reading, mine, message)) is not None:
                parts[rank] = part
            else:
                self._first.complain(rank, "does it train the same layers, watched with the same arguments?")
        return reading.conclude(parts) or nothing(mine)

    def _is_there(self, rank: int) -> bool:
        return self._mailbox.are_there([_part(rank, self._count)])

    def _read(self, ranks: Sequence[int]) -> None:
        messages = self._mailbox.take([_part(rank, self._count) for rank in ranks])
        self._messages = {}
        for rank, message in zip(ranks, messages, strict=False):
            self._messages[rank] = unpack(message)
            self._first.answered(rank)


class _Complaints(Once):
    """What a rank that prints nothing has to say is kept for rank 0, which tells it when it misses that rank."""

    def __init__(self, mailbox: Mailbox) -> None:
        super().__init__()
        self._mailbox = mailbox

    def tell(self, _: str, text: str) -> None:
        self._mailbox.post(_trouble(self._mailbox.rank), text.encode(), keep=True)


def ranks_of_training() -> Ranks:
    """What this process is in the training that is about to be watched."""
    mailbox = join()
    if mailbox is None:
        return Ranks()
    return OtherRank(mailbox) if mailbox.rank else FirstRank(mailbox)


def _plan(version: int) -> str:
    return f"plan/{version}"


def _part(rank: int, count: int) -> str:
    return f"part/{rank}/{count}"


def _trouble(rank: int) -> str:
    return f"trouble/{rank}"
