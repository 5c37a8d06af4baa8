"""SYS003: a few steps take so much longer that the whole run does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.system.step_times import READS, STEP_TIME_LINE, StepTimes, step_times
from trainvitals.view import RunView

NEIGHBOURS = 11
"""Records whose median is the usual pace around each of them."""

FEWEST_RECORDS = 30
"""Of a few records nobody can say which are rare."""

SLOW = 2.0
"""Times the pace around it: a record that takes twice as long."""

REGULAR = 0.1
"""Spread of the distances over their mean, below which the slow records come like a clock."""


@dataclass(frozen=True, slots=True)
class SlowRecords:
    """Records that are slower than those around them.

    Args:
        tag: of the step time. records: how many were judged. slow: how many of them are slow.
        lost: share of the time that went into what they took longer.
        slowest: the largest, over the pace around it.
        first_step, last_step: of the slow ones.
        regular_steps: distance from one to the next where that is always the same; else None.
        both_halves: whether a quarter of them or more lies in each half of the run.
        computation: how many times the usual their computation took; None where it was not recorded.
    """

    tag: str
    records: int
    slow: int
    lost: float
    slowest: float
    first_step: int
    last_step: int
    regular_steps: int | None
    both_halves: bool
    computation: float | None


class StepTimeOutliers(Rule[SlowRecords]):
    """Now and then a step takes many times as long as usual, and together these steps cost much of the run.

    What it finds
    -------------
    Rare slow steps: how many records hold some, and what share of the whole time they cost.

    Why it matters
    --------------
    A mean hides them: a training that stalls for seconds every now and then looks a little slow throughout. What stalls
    (a loader that starts anew, a network drive, a lock, logging) is usually easy to mend.

    How it is detected
    ------------------
    Each record's step time is held against the median of the eleven around it, so that a slower stretch is not a row of
    outliers; slow is what takes twice as long. What the slow records took beyond that median, over the whole time, is
    what is lost. A finding needs `smallest_lost` of the time, `fewest` slow records, fewer than half of all, and
    some in both halves of the run. Records with a validation in them do not count.

    It is a warning where the computation itself was not slow in them (`largest_computation`): else something else had
    the machine. Where that was not recorded, and where the slow records come like a clock, as checkpoints do, it is an
    information.

    False alarms
    ------------
    Validation and checkpoints inside the loop that are not logged as such, at irregular steps. Batches of very
    different length: log the samples.

    What to try
    -----------
    Profile the slow steps; more workers that stay alive and fetch ahead; garbage collection at fixed steps.

    Sources
    -------
    Ours; the reading of means that hide tails follows Dean and Barroso 2013, "The tail at scale".
    """

    code = "SYS003"
    name = "step-time-outliers"
    summary = "A few steps take so much longer that the whole run does."
    reads = (*READS, "val_loss")
    thresholds = (
        Threshold(
            "smallest_lost",
            0.15,
            "Share of the whole time: beyond what the tail of step times costs on a machine that others use too.",
            "healthy runs of ours on busy machines lose up to a tenth so",
        ),
        Threshold("fewest", 5, "Slow records: fewer are accidents of the machine.", "convention"),
        Threshold(
            "largest_computation",
            1.3,
            "Times the usual: what the slow records computed must not have been slow itself.",
            "spread of the computation of equal steps on a machine of one's own",
        ),
    )
    interventions = ("feed-data-faster", "profile-slow-steps")

    def measure(self, view: RunView) -> SlowRecords | NotEnough:
        times = step_times(view)
        if times is None:
            return NotEnough(("step_time",), STEP_TIME_LINE)
        kept = _without_validation(view, times)
        if int(kept.sum()) < FEWEST_RECORDS:
            return NotEnough((f"step_time at {FEWEST_RECORDS} steps or more",), STEP_TIME_LINE)
        value, weight, step = times.value[kept], times.covered[kept], times.step[kept]
        around = running_median(value, NEIGHBOURS)
        slow = value > SLOW * around
        excess = np.where(slow, value - around, 0.0) * weight
        at = np.flatnonzero(slow)
        return SlowRecords(
            tag=times.tag,
            records=len(value),
            slow=len(at),
            lost=float(excess.sum() / (value * weight).sum()),
            slowest=float(np.max(value / around)),
            first_step=int(step[at[0]]) if len(at) else int(step[0]),
            last_step=int(step[at[-1]]) if len(at) else int(step[-1]),
            regular_steps=_regular(step[slow]),
            both_halves=bool(min(half.sum() for half in np.array_split(slow, 2)) >= len(at) / 4),
            computation=_beside(times.computation, kept, slow),
        )

    def judge(self, measurement: SlowRecords, limits: Mapping[str, float]) -> list[Finding]:
        rare = limits["fewest"] <= measurement.slow < measurement.records / 2 and measurement.both_halves
        if not rare or measurement.lost < limits["smallest_lost"]:
            return []
        computed = measurement.computation
        certain = computed is not None and computed <= limits["largest_computation"]
        regular = measurement.regular_steps
        evidence = [
            Evidence(
                f"{measurement.slow} of {measurement.records} records of {measurement.tag} take twice as long as those "
                f"around them or more, the slowest {measurement.slowest:.3g} times: {measurement.lost:.0%} of the time",
                signal=measurement.tag,
                value=measurement.lost,
                threshold=limits["smallest_lost"],
                step=measurement.first_step,
            )
        ]
        if regular is not None:
            evidence.append(Evidence(f"one every {regular:,} steps: a checkpoint or a validation?", value=regular))
        if computed is not None:
            text = f"their computation took {computed:.2g} times the usual"
            evidence.append(Evidence(text, value=computed, threshold=limits["largest_computation"]))
        return [
            self.finding(
                Severity.WARNING if certain and regular is None else Severity.INFO,
                0.9 if certain and measurement.lost >= 2 * limits["smallest_lost"] else 0.7,
                f"{measurement.lost:.0%} of the time is lost in {measurement.slow} slow records",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: SlowRecords, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.lost >= limits["smallest_lost"]:
            return None
        text = f"{measurement.lost:.1%} of the time is lost in slow records"
        return Evidence(text, signal=measurement.tag, value=measurement.lost, threshold=limits["smallest_lost"])


def _without_validation(view: RunView, times: StepTimes) -> NDArray[np.bool_]:
    """``[T]`` records that no validation lies in, without the first, which holds what is done once."""
    kept = np.ones(len(times.step), dtype=bool)
    kept[0] = False
    for loss in view.val_losses.values():
        # What is logged after step s was done before the next step, whose record may be the one that follows.
        first = np.searchsorted(times.step, loss.recorded.step, side="left")
        after = np.searchsorted(times.step, loss.recorded.step, side="right")
        for index in (first, after):
            kept[index[index < len(kept)]] = False
    return kept if 2 * int(kept.sum()) > len(kept) else _all_but_the_first(len(kept))


def _all_but_the_first(records: int) -> NDArray[np.bool_]:
    """Where validation is in most records, it is part of the usual pace."""
    return np.arange(records) > 0


def _regular(step: NDArray[np.int64]) -> int | None:
    gaps = np.diff(step)
    if len(gaps) < 2 or float(gaps.std()) > REGULAR * float(gaps.mean()):
        return None
    return round(float(gaps.mean()))


def _beside(part: NDArray[np.float64] | None, kept: NDArray[np.bool_], slow: NDArray[np.bool_]) -> float | None:
    if part is None or not bool(slow.any()):
        return None
    value = part[kept]
    around = np.maximum(running_median(value, NEIGHBOURS), 1e-9)
    return float(np.median(value[slow] / around[slow]))
