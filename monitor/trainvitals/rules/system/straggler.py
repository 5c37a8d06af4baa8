"""SYS005: one process is slower than the others, and all wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.robust import running_median
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Severity, StepArray
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.system.ranks import RANKS_LINE, of_ranks
from trainvitals.view import RunView

FEWEST_RECORDS = 10
LATE = 0.5
"""What holds over the second half of the run is no accident of the start."""

SMOOTHED = 5
"""Records whose median counts: one slow record of one process is an outlier, not a straggler."""

ALMOST_ALWAYS = 0.8
"""Of the records of the second half, in which the slow process must be slower than the usual one."""


@dataclass(frozen=True, slots=True, eq=False)
class SlowestRank:
    """The process that does most before it waits.

    Args:
        rank: its name; ranks: how many there are. step: ``[T]``.
        score: ``[T]`` time that the median of the others needs over that of this one, smoothed; below 1 it is slower.
        late: the median of the second half. always: share of its records in which it was slower.
        from_waiting: whether times are those of the step without the waiting for others.
    """

    rank: str
    ranks: int
    step: StepArray
    score: NDArray[np.float64]
    late: float
    always: float
    from_waiting: bool


class Straggler(Rule[SlowestRank]):
    """One process takes longer for its part of each step than the others, which wait for it.

    What it finds
    -------------
    The rank that is slower than the median of the other ranks, since when, and by how much.

    Why it matters
    --------------
    In synchronous training every step takes as long as the slowest process. One slow device of many costs as much as if
    all of them were slow.

    How it is detected
    ------------------
    The own time of each rank is its step time without the time from its last gradient to the end of the exchange, for
    whoever waits least is the one that all wait for; where the waiting was not recorded it is the step time. The median
    of the other ranks over the own time of one, smoothed over five records, is its score. A finding needs a score
    below `largest_score` over the second half of the run and at its end, and a slower rank in four of five records.

    False alarms
    ------------
    Ranks with more to do on purpose (uneven pipeline stages). A slow rank that changes from record to record is noise
    of the machines or of batches of different length. The fastest rank is no measure, for with many ranks it is luck.

    What to try
    -----------
    Look at clock, temperature and neighbours of that device; swap it; give all ranks batches of equal length.

    Sources
    -------
    NVIDIA Resiliency Extension, straggler detection (score and limit, there against the fastest rank); MegaScale 2024.
    """

    code = "SYS005"
    name = "straggler"
    summary = "One process is slower than the others, and all wait for it."
    reads = ("step_time", tags.COMMUNICATION_TIME_S)
    thresholds = (
        Threshold(
            "largest_score",
            0.8,
            "Time of the median of the other ranks over that of the slow one: a quarter more time.",
            "NVIDIA Resiliency Extension warns at 0.75 against the fastest rank",
        ),
    )
    absorbs = ("throughput-drop",)
    interventions = ("check-slow-device", "profile-slow-steps")

    def measure(self, view: RunView) -> SlowestRank | NotEnough:
        if not view.signals.step_time:
            return NotEnough()
        view.recorded(tags.COMMUNICATION_TIME_S)
        times, waits = of_ranks(view, tags.STEP_TIME_S), of_ranks(view, tags.COMMUNICATION_TIME_S)
        if times is None:
            # A training of one process lacks nothing.
            return NotEnough()
        step, own = times.step, times.value
        shared = waits is not None and waits.layers == times.layers
        if shared and waits is not None:
            step = np.intersect1d(times.step, waits.step)
            own = times.value[np.isin(times.step, step)] - waits.value[np.isin(waits.step, step)]
        usable = np.all(np.isfinite(own) & (own > 0), axis=1)
        step, own = step[usable], own[usable]
        if len(step) < FEWEST_RECORDS:
            return NotEnough((f"step_time of each rank at {FEWEST_RECORDS} steps or more",), RANKS_LINE)
        scores = np.stack([_others(own, rank) / own[:, rank] for rank in range(own.shape[1])], axis=1)
        half = int(LATE * len(step))
        slowest = int(np.argmin(np.median(scores[half:], axis=0)))
        late = scores[half:, slowest]
        return SlowestRank(
            rank=times.layers[slowest],
            ranks=own.shape[1],
            step=step,
            score=running_median(scores[:, slowest], SMOOTHED),
            late=float(np.median(late)),
            always=float(np.mean(late < 1.0)),
            from_waiting=shared,
        )

    def judge(self, measurement: SlowestRank, limits: Mapping[str, float]) -> list[Finding]:
        onset = begin_of_tail(measurement.score < limits["largest_score"])
        if onset is None or measurement.late >= limits["largest_score"] or measurement.always < ALMOST_ALWAYS:
            return []
        first = int(measurement.step[onset])
        what = "without its waiting" if measurement.from_waiting else "as a whole"
        return [
            self.finding(
                Severity.WARNING,
                0.9 if measurement.from_waiting and measurement.ranks > 2 else 0.75,
                f"{measurement.rank} of {measurement.ranks} takes {1 / measurement.late:.2g} times as long as others",
                first_step=first,
                last_step=int(measurement.step[-1]),
                evidence=(
                    Evidence(
                        f"the median of the others needs {measurement.late:.2f} of the time of {measurement.rank}, "
                        f"the step {what}",
                        signal=tags.STEP_TIME_S,
                        value=measurement.late,
                        threshold=limits["largest_score"],
                        step=first,
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: SlowestRank, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.late < limits["largest_score"]:
            return None
        text = f"the slowest rank, {measurement.rank}, takes {1 / measurement.late:.2g} times as long as the others"
        return Evidence(text, signal=tags.STEP_TIME_S, value=measurement.late, threshold=limits["largest_score"])


def _others(own: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    return np.asarray(np.median(np.delete(own, rank, axis=1), axis=1))
