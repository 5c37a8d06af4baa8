"""SYS001: a large part of each step passes in waiting for data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.robust import running_median
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 20
WINDOW = 11
"""Records whose median is the time at a record: validation and checkpoints lengthen single waits a hundredfold."""

SHORT_WAITS_SHARE = 0.25
"""Of the waits, that may be short: a loader that is too slow makes nearly every step wait, a busy machine some."""

SURE, LIKELY = 0.9, 0.75
FAR_BEYOND = 2.0
"""Times the limit, from which no mixture of other causes is likely."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """What part of a step is the wait before it.

    Args:
        step: ``[T]`` recorded steps but for the first. share: ``[T]`` running median of the wait over that of the step.
        wait_s: ``[T]`` running median of the wait. each_s: ``[T]`` the wait of each record.
    """

    step: NDArray[np.int64]
    share: NDArray[np.float64]
    wait_s: NDArray[np.float64]
    each_s: NDArray[np.float64]


class InputBound(Rule[Waiting]):
    """A large part of each step passes before the forward pass: the training waits for its data.

    What it finds
    -------------
    A training whose steps wait for data for a large part of their time, from when on, and how much faster it would be
    without.

    Why it matters
    --------------
    The accelerator is idle meanwhile. Data can be loaded beside the training, so this time is free to win.

    How it is detected
    ------------------
    The time from the end of a step to the next forward pass, over the time of a whole step: both as running medians of
    eleven records, so that validation and checkpoints, which fall into single waits, do not count. A finding needs a
    share of at least `largest_share` and a wait of at least `smallest_wait_s`, until the end, over at least
    `shortest_stretch` of the records, with three of four single waits as long. The first record is left out: workers
    start there.

    False alarms
    ------------
    Whatever else the loop does between two steps counts as waiting: moving and augmenting a batch, drawing random
    numbers, writing logs. Steps of a millisecond are ruled by Python itself; such waits are below `smallest_wait_s`.
    On a machine that others use, times say little.

    What to try
    -----------
    Load with several workers, ahead of time and into pinned memory; prepare once what every epoch prepares again;
    decode and augment on the accelerator; store many examples a file.

    Sources
    -------
    Mohan et al. 2021, "Analyzing and mitigating data stalls in DNN training" (VLDB). OLMo-core logs the same share as
    "data loading (%)".
    """

    code = "SYS001"
    name = "input-bound"
    summary = "The training waits for its data for a large part of each step."
    reads = (tags.DATA_TIME_S, "step_time")
    thresholds = (
        Threshold(
            "largest_share",
            0.2,
            "Of the step. Below a fifth, other savings are as large.",
            "critical from 20 %; data stalls of 10 to 70 % were measured by Mohan et al. 2021",
        ),
        Threshold(
            "smallest_wait_s",
            2e-3,
            "Shorter waits are those of the loop itself: a few hundred calls of Python take a millisecond.",
            "healthy loops of ours over data in memory wait 0.2 to 0.5 ms on a busy machine",
        ),
        Threshold(
            "shortest_stretch",
            0.4,
            "Of the records. A cold cache, a busy disk or another program slows down a shorter stretch.",
            "convention",
        ),
    )
    absorbs = ("throughput-drop", "step-time-outliers")
    interventions = ("feed-data-faster",)

    def measure(self, view: RunView) -> Waiting | NotEnough:
        wait, times = view.recorded(tags.DATA_TIME_S), view.signals.step_time
        if wait is None or tags.STEP_TIME_S not in times:
            return NotEnough((tags.DATA_TIME_S, tags.STEP_TIME_S), logging_lines.WATCH)
        whole = view.series(tags.STEP_TIME_S)
        step, at_wait, at_whole = np.intersect1d(wait.step, whole.step, assume_unique=True, return_indices=True)
        wait_s = np.asarray(wait.value[at_wait][1:], dtype=np.float64)
        whole_s = np.asarray(whole.value[at_whole][1:], dtype=np.float64)
        known = np.isfinite(wait_s) & np.isfinite(whole_s) & (whole_s > 0)
        if int(known.sum()) < MINIMUM_RECORDS:
            return NotEnough((f"{tags.DATA_TIME_S} at {MINIMUM_RECORDS} steps or more",), logging_lines.WATCH)
        typical_s = running_median(wait_s[known], WINDOW)
        share = np.minimum(typical_s / running_median(whole_s[known], WINDOW), 1.0)
        return Waiting(step[1:][known], share, typical_s, wait_s[known])

    def judge(self, measurement: Waiting, limits: Mapping[str, float]) -> list[Finding]:
        waits = (measurement.share >= limits["largest_share"]) & (measurement.wait_s >= limits["smallest_wait_s"])
        onset = begin_of_tail(waits)
        fewest = max(MINIMUM_RECORDS / 2, limits["shortest_stretch"] * len(waits))
        if onset is None or len(waits) - onset < fewest:
            return []
        if float(np.quantile(measurement.each_s[onset:], SHORT_WAITS_SHARE)) < limits["smallest_wait_s"]:
            return []
        share, wait_s = float(np.median(measurement.share[onset:])), float(np.median(measurement.wait_s[onset:]))
        begin, end = int(measurement.step[onset]), int(measurement.step[-1])
        return [
            self.finding(
                Severity.WARNING,
                SURE if share >= FAR_BEYOND * limits["largest_share"] else LIKELY,
                f"{share:.0%} of each step is waiting for data ({1e3 * wait_s:.3g} ms); without it the training would "
                f"take {1 - share:.0%} of its time",
                first_step=begin,
                last_step=end,
                evidence=(
                    Evidence(
                        f"from the end of a step to the next forward pass {1e3 * wait_s:.3g} ms pass, "
                        f"{share:.0%} of a step",
                        signal=tags.DATA_TIME_S,
                        value=share,
                        threshold=limits["largest_share"],
                        step=begin,
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: Waiting, limits: Mapping[str, float]) -> Evidence | None:
        share = float(np.median(measurement.share))
        if share >= limits["largest_share"]:
            return None
        text = f"{share:.0%} of a step is waiting for data"
        return Evidence(text, tags.DATA_TIME_S, share, limits["largest_share"])
