"""SYS004: the memory that the training holds grows with every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.robust import block_means
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_POINTS = 24
WARM_UP_SHARE = 0.2
"""Of the points: allocators, caches and lazily loaded libraries fill up first."""

BLOCKS = 12
"""Of the rest: as many levels, of two points at least."""

RISING_STEPS = 10
"""Of the eleven steps from one block to the next: more than that by chance happens once in 170 runs."""

LATE_SHARE = 0.5
"""Of the average growth, that must go on in the last third: what fills up slows down."""

SURE = 0.9


@dataclass(frozen=True, slots=True)
class Growth:
    """How one count of memory moved after the warm-up.

    Args:
        tag: of the memory; first_step, last_step: of what was looked at.
        first, last: level of the first and last block, in the unit of the log.
        rising: how many blocks are higher than the one before.
        pace: growth a step. late: pace of the last third over that.
    """

    tag: str
    first_step: int
    last_step: int
    first: float
    last: float
    rising: int
    pace: float
    late: float

    @property
    def share(self) -> float:
        """By how much of the first level it grew."""
        return (self.last - self.first) / self.first

    @property
    def steps_to_double(self) -> int:
        """From the end, at this pace."""
        return round(self.last / self.pace)


class MemoryGrowth(Rule[tuple[Growth, ...]]):
    """The memory that the training holds grows steadily, step after step.

    What it finds
    -------------
    Main memory or memory of the accelerator that rises at a steady pace long after the start, and when it will have
    doubled.

    Why it matters
    --------------
    A leak ends a long training when memory runs out, often after days, and slows it down before.

    How it is detected
    ------------------
    The first fifth of the points is left out, because allocators and caches fill up then; after a restart it begins
    anew. The rest is cut into twelve blocks. A finding needs all of: a growth of at least `smallest_growth` of the
    level; ten of the eleven blocks higher than the one before; and in the last third still half of the average slope.

    False alarms
    ------------
    A data set that is cached as it is read grows until the first epoch ends, and files that are mapped into memory
    count as they are touched: in a log that ends before the epoch does that looks the same. Longer and longer
    sequences (a curriculum) need more memory, too.

    What to try
    -----------
    Keep numbers, not tensors: `total += loss.item()`; a loss that is kept keeps its whole graph. Look for lists and
    dictionaries that are appended to in each step, also in the data set.

    Sources
    -------
    The PyTorch FAQ, "My model reports out of memory": history accumulated across the training loop.
    """

    code = "SYS004"
    name = "memory-growth"
    summary = "The memory that the training holds grows steadily."
    reads = ("memory",)
    thresholds = (
        Threshold(
            "smallest_growth",
            0.05,
            "Of the level after the warm-up. Fragmentation and small caches stay below a few percent.",
            "healthy runs of ours grow by less than 1 %",
        ),
    )
    interventions = ("release-memory",)

    def measure(self, view: RunView) -> tuple[Growth, ...] | NotEnough:
        if not view.signals.memory:
            return NotEnough(("memory",), logging_lines.WATCH)
        last_restart = max((restart.step for restart in view.restarts), default=None)
        counts = []
        for tag in view.signals.memory:
            memory = view.series(tag).finite()
            counts.append(memory if last_restart is None else memory.take(memory.step >= last_restart))
        long_enough = [memory for memory in counts if len(memory) >= MINIMUM_POINTS]
        if not long_enough:
            return NotEnough((f"memory at {MINIMUM_POINTS} steps or more",), logging_lines.WATCH)
        return tuple(growth for memory in long_enough if (growth := _growth(memory)) is not None)

    def judge(self, measurement: tuple[Growth, ...], limits: Mapping[str, float]) -> list[Finding]:
        grown = [
            growth
            for growth in measurement
            if growth.share >= limits["smallest_growth"] and growth.rising >= RISING_STEPS and growth.late >= LATE_SHARE
        ]
        if not grown:
            return []
        worst = max(grown, key=lambda growth: growth.share)
        return [
            self.finding(
                Severity.WARNING,
                SURE,
                f"{worst.tag} grows steadily: by {worst.share:.0%} from step {worst.first_step:,} on, doubled in "
                f"another {worst.steps_to_double:,} steps",
                first_step=worst.first_step,
                last_step=worst.last_step,
                evidence=tuple(
                    Evidence(
                        f"{growth.tag} rose by {growth.share:.1%}, in {growth.rising} of {BLOCKS - 1} steps from block "
                        f"to block, and at {growth.late:.0%} of its pace at last",
                        signal=growth.tag,
                        value=growth.share,
                        threshold=limits["smallest_growth"],
                        step=growth.first_step,
                    )
                    for growth in grown
                ),
            )
        ]

    def rule_out(self, measurement: tuple[Growth, ...], limits: Mapping[str, float]) -> Evidence | None:
        largest = max(measurement, key=lambda growth: growth.share, default=None)
        if largest is None:
            return None
        if largest.share >= limits["smallest_growth"]:
            text = f"{largest.tag} changed by {largest.share:.1%} after the warm-up, but not steadily"
            return Evidence(
                f"{text}: it rose in {largest.rising} of {BLOCKS - 1} steps from block to block", largest.tag
            )
        text = f"{largest.tag} grew by no more than {max(largest.share, 0.0):.1%} after the warm-up"
        return Evidence(text, largest.tag, largest.share, limits["smallest_growth"])


def _growth(memory: Series) -> Growth | None:
    """None where the memory is not positive."""
    settled = memory.take(slice(int(WARM_UP_SHARE * len(memory)), None))
    value = np.asarray(settled.value, dtype=np.float64)
    blocks = block_means(settled.step.astype(np.float64), value, BLOCKS)
    level, time = blocks.value, blocks.time
    rise, span = float(level[-1] - level[0]), float(time[-1] - time[0])
    if not level[0] > 0 or not np.isfinite(rise):
        return None
    third = BLOCKS - 1 - BLOCKS // 3
    pace = rise / span if span > 0 else 0.0
    late = float((level[-1] - level[third]) / (time[-1] - time[third])) / pace if pace else 0.0
    return Growth(
        tag=memory.tag,
        first_step=int(settled.step[0]),
        last_step=int(settled.step[-1]),
        first=float(level[0]),
        last=float(level[-1]),
        rising=int((np.diff(level) > 0).sum()),
        pace=pace,
        late=late,
    )
