"""SYS901: the training stood still for a while. An example of a rule that lives outside trainvitals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import Finding, Rule
from trainvitals.model import Evidence, Severity, Suggestion, Verify
from trainvitals.rules.rule import NotEnough, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 20
"""Fewer gaps than this have no usual length to compare with."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The longest gap between two records, and the usual one.

    Args:
        tag: whose records. step: the first after the gap.
        gap_s: its length. usual_s: the median of all gaps.
    """

    tag: str
    step: int
    gap_s: float
    usual_s: float


class LongPause(Rule[Pause]):
    """The training stood still.

    What it finds
    -------------
    A gap in wall time between two records of the loss that is much longer than the usual one.

    Why it matters
    --------------
    The machine was paid for and did nothing: the job was suspended, the data did not arrive, or a checkpoint took long.

    How it is detected
    ------------------
    The longest gap is held against the median gap.

    False alarms
    ------------
    A validation between two records is a gap of its own; the default ratio is far above what one usually takes.

    What to try
    -----------
    Look into the scheduler's and the machine's log at the time of the gap.

    Sources
    -------
    An example; the ratio is a convention.
    """

    code = "SYS901"
    name = "long-pause"
    summary = "The training stood still for a while."
    reads = ("train_loss",)
    thresholds = (
        Threshold("pause_ratio", 50.0, "a validation or a checkpoint rarely takes as long as 50 records", "convention"),
    )
    interventions = ("look-into-the-pause",)

    def measure(self, view: RunView) -> Pause | NotEnough:
        loss = view.train_loss
        if loss is None or len(loss) < MINIMUM_RECORDS:
            return NotEnough(("train_loss",), how="log the training loss at least 20 times")
        wall_time = loss.recorded.wall_time
        if not np.isfinite(wall_time).all():
            return NotEnough(("wall time",), how="log with a format that stores the time, such as event files")
        gaps = np.diff(wall_time)
        longest = int(np.argmax(gaps))
        step = int(loss.recorded.step[longest + 1])
        return Pause(loss.tag, step, float(gaps[longest]), float(np.median(gaps)))

    def judge(self, measurement: Pause, limits: Mapping[str, float]) -> list[Finding]:
        pause, ratio = measurement, limits["pause_ratio"]
        if pause.usual_s <= 0.0 or pause.gap_s < ratio * pause.usual_s:
            return []
        return [
            self.finding(
                Severity.INFO,
                0.9,
                f"nothing was recorded for {pause.gap_s:,.0f} s before step {pause.step:,}",
                first_step=pause.step,
                evidence=(
                    Evidence(
                        f"the gap before it is {pause.gap_s:,.1f} s, the usual one {pause.usual_s:,.2f} s",
                        signal=pause.tag,
                        value=pause.gap_s,
                        threshold=ratio * pause.usual_s,
                        step=pause.step,
                    ),
                ),
                interventions=(_look_into(pause),),
            )
        ]


def _look_into(pause: Pause) -> Suggestion:
    return Suggestion(
        name="look-into-the-pause",
        summary="Find out what the machine did meanwhile",
        how="sacct -j JOBID --format=JobID,State,Start,End,Suspended",
        expected="the scheduler names a suspension, or the data loader's log names a slow file",
        risk="none: nothing is changed",
        verify=Verify(signal=pause.tag, direction="finite", size=0.0, within_steps=1),
        source="an example",
    )
