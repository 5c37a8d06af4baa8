"""SYS002: steps take longer than they used to, and stay so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.robust import mad_scale
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.system.step_times import READS, STEP_TIME_LINE, StepTimes, step_times
from trainvitals.view import RunView

FEWEST = 8
"""Records on each side of a change: fewer have no level worth the name."""

SHORTEST_SHARE = 0.05
"""Of the records, on each side: what lasts less is a stretch of slow steps and not a new pace."""

NEAR_A_RESTART = 0.02
"""Of the run: a new pace that begins at a restart is that of another machine or another process."""

WAITING = {tags.DATA_TIME_S: "waiting for data", tags.COMMUNICATION_TIME_S: "the exchange between processes"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """The part of the step that a training waits in, before and after its pace changed.

    Args:
        tag: of the part. share: of the added time. others: how many times as long the rest of the step takes.
    """

    tag: str
    before: float
    after: float
    share: float
    others: float


@dataclass(frozen=True, slots=True)
class PaceChange:
    """The largest lasting change of the step time.

    Args:
        tag: of the step time. first_step: with the new pace. last_step: recorded.
        before, after: median step times; ``later``: that of the last tenth of the run.
        apart: distance of the levels in robust standard deviations of the logarithms around them.
        restarted: whether it begins where the training was started again.
        waiting: the part that grew most; None where parts were not recorded.
    """

    tag: str
    first_step: int
    last_step: int
    before: float
    after: float
    later: float
    apart: float
    restarted: bool
    waiting: Waiting | None

    @property
    def factor(self) -> float:
        """The smaller of the two: over the whole stretch, and at the end."""
        return min(self.after, self.later) / self.before


class ThroughputDrop(Rule[PaceChange]):
    """From some step on, each step takes longer than before.

    What it finds
    -------------
    A lasting change of pace: the step from which on a step takes half as long again as before, or longer, and which
    part of the step the time went to.

    Why it matters
    --------------
    The same training costs more from there on, and nobody notices: the loss over steps looks as it did.

    How it is detected
    ------------------
    The logarithm of the step time (over the samples of a step, where those are counted; else the inverse of the
    throughput) is split in two at the place that leaves the least squares. At least eight records and a twentieth of
    them must lie on each side. A finding needs a median after it that is `smallest_growth` times the one before, still
    so in the last tenth of the run, and levels that lie `smallest_distance` robust standard deviations apart.

    It is a warning where the training waits: `smallest_share` of the added time is waiting for data or for other
    processes, while the rest of the step takes at most `largest_growth_of_others` times as long. A step that takes
    longer in everything is that of a slower or a shared machine, and an information.

    False alarms
    ------------
    A pace that changes at a restart is left out. Longer sequences later in a curriculum take longer and should; log the
    samples. A machine that others use too slows computation and loading alike, and is no warning. The loader of a small
    set may read from memory at first and from the disk later: that is a true finding.

    What to try
    -----------
    Profile a step before and after the place; look at what loads the data from there on.

    Sources
    -------
    PaLM and MegaScale watch the utilisation against its own past; the split is the least-squares change point of
    Hawkins 1977. That waiting and computing are told apart is ours.
    """

    code = "SYS002"
    name = "throughput-drop"
    summary = "Steps take longer than they used to, and stay so."
    reads = READS
    thresholds = (
        Threshold(
            "smallest_growth",
            1.5,
            "Times the step time before. Clocks, caches and neighbours move a step by tens of percents.",
            "step times of our own trainings on shared machines",
        ),
        Threshold(
            "smallest_distance",
            4.0,
            "Robust standard deviations between the levels: the two paces hardly share a value.",
            "convention",
        ),
        Threshold(
            "smallest_share",
            0.75,
            "Of the added time that goes into waiting, for the waiting to be what changed.",
            "convention: three quarters",
        ),
        Threshold(
            "largest_growth_of_others",
            1.5,
            "Times what the rest of the step took: more than that, and the whole machine became slower.",
            "the same as what counts as slower at all",
        ),
    )
    absorbs = ("step-time-outliers", "communication-bound")
    interventions = ("feed-data-faster", "profile-slow-steps")

    def measure(self, view: RunView) -> PaceChange | NotEnough:
        times = step_times(view)
        if times is None:
            return NotEnough(("step_time",), STEP_TIME_LINE)
        # The first records hold what is compiled and allocated once.
        skipped = min(2, len(times.value))
        decades = np.log10(times.value)
        at = _split(decades[skipped:])
        if at is None:
            return NotEnough((f"step_time at {2 * FEWEST + skipped} steps or more",), STEP_TIME_LINE)
        at += skipped
        before, after = decades[skipped:at], decades[at:]
        spread = max(mad_scale(np.concatenate([before - np.median(before), after - np.median(after)])), 1e-6)
        near = NEAR_A_RESTART * view.span_steps
        return PaceChange(
            tag=times.tag,
            first_step=int(times.step[at]),
            last_step=int(times.step[-1]),
            before=float(10 ** np.median(before)),
            after=float(10 ** np.median(after)),
            later=float(10 ** np.median(decades[-max(3, len(decades) // 10) :])),
            apart=float((np.median(after) - np.median(before)) / spread),
            restarted=any(abs(int(times.step[at]) - restart.step) <= near for restart in view.restarts),
            waiting=_waiting(times, skipped, at),
        )

    def judge(self, measurement: PaceChange, limits: Mapping[str, float]) -> list[Finding]:
        change, waiting = measurement, measurement.waiting
        slower = change.factor >= limits["smallest_growth"] and change.apart >= limits["smallest_distance"]
        if not slower or change.restarted:
            return []
        evidence = [
            Evidence(
                f"{change.tag} went from {change.before:.3g} to {change.after:.3g} a step: {change.factor:.2g} times",
                signal=change.tag,
                value=change.factor,
                threshold=limits["smallest_growth"],
                step=change.first_step,
            )
        ]
        waits = (
            waiting is not None
            and waiting.share >= limits["smallest_share"]
            and waiting.others <= limits["largest_growth_of_others"]
        )
        why = ""
        if waits and waiting is not None:
            why = f", for {WAITING[waiting.tag]}"
            text = (
                f"{WAITING[waiting.tag]} went from {waiting.before:.3g} to {waiting.after:.3g} s, {waiting.share:.0%} "
                f"of the added time; the rest of the step takes {waiting.others:.2g} times as long"
            )
            evidence.append(Evidence(text, signal=waiting.tag, value=waiting.share, threshold=limits["smallest_share"]))
        return [
            self.finding(
                Severity.WARNING if waits else Severity.INFO,
                0.9 if waits and change.factor >= 2 * limits["smallest_growth"] else 0.75,
                f"a step takes {change.factor:.2g} times as long since step {change.first_step:,}{why}",
                first_step=change.first_step,
                last_step=change.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: PaceChange, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.factor >= limits["smallest_growth"]:
            return None
        text = f"{measurement.tag} rose by no more than {max(measurement.factor, 1.0):.2g} times"
        return Evidence(text, value=measurement.factor, threshold=limits["smallest_growth"])


def _split(decades: NDArray[np.float64]) -> int | None:
    """Where two levels leave the least squares ``[T]``; None where there are too few points for two."""
    points = len(decades)
    margin = max(FEWEST, round(SHORTEST_SHARE * points))
    if points < 2 * margin:
        return None
    count = np.arange(1, points)
    total = np.cumsum(decades - decades.mean())[:-1]
    gain = total**2 * (1.0 / count + 1.0 / (points - count))
    inner = gain[margin - 1 : points - margin]
    return margin + int(np.argmax(inner))


def _waiting(times: StepTimes, first: int, at: int) -> Waiting | None:
    added = float(np.median(times.value[at:]) - np.median(times.value[first:at]))
    found = []
    for tag in WAITING:
        part = times.parts.get(tag)
        if part is None or added <= 0:
            continue
        rest = times.computation
        rest = np.maximum(times.value - part, 1e-9) if rest is None else rest
        before, after = float(np.median(part[first:at])), float(np.median(part[at:]))
        others = float(np.median(rest[at:]) / max(float(np.median(rest[first:at])), 1e-9))
        found.append(Waiting(tag, before, after, (after - before) / added, others))
    return max(found, key=lambda each: each.share, default=None)
