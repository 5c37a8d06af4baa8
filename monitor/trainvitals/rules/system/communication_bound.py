"""SYS007: much of each step goes into the exchange between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.maths.robust import running_median
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.system.ranks import RANKS_LINE
from trainvitals.view import RunView

FEWEST_RECORDS = 10
SMOOTHED = 5
LATE = 0.5


@dataclass(frozen=True, slots=True)
class ExchangeShare:
    """How much of a step the exchange takes that computation does not hide.

    Args:
        tag: of the exchange. late: median share in the second half of the run.
        since_step: from which on it is above the lower limit until the end; None where it is not.
        last_step: recorded.
    """

    tag: str
    late: float
    since_step: int | None
    last_step: int


SMALLEST_SHARE = 0.3


class CommunicationBound(Rule[ExchangeShare]):
    """The processes spend much of each step on exchanging gradients.

    What it finds
    -------------
    Trainings on several processes in which the exchange, as far as computation does not hide it, takes a large share of
    the step.

    Why it matters
    --------------
    More devices then hardly make the training faster: what is paid for waits.

    How it is detected
    ------------------
    The time from the last gradient of its own that the slowest rank computes to the end of the exchange, over the step
    time; the waiting for slower ranks is not in it. The median of the second half of the run, and five smoothed records
    until the end, must reach `smallest_share`. From `large_share` on it is a warning.

    False alarms
    ------------
    Tests with a small model on several processes of one machine. On accelerators the host does not wait and nothing is
    recorded.

    What to try
    -----------
    Accumulate gradients over several batches between exchanges; exchange in bfloat16; larger buckets, which overlap
    with the backward pass.

    Sources
    -------
    Li et al. 2020, "PyTorch Distributed: experiences on accelerating data parallel training". The limits are ours.
    """

    code = "SYS007"
    name = "communication-bound"
    summary = "Much of each step goes into the exchange between processes."
    reads = (tags.COMMUNICATION_TIME_S, "step_time")
    thresholds = (
        Threshold("smallest_share", SMALLEST_SHARE, "Of the step: worth knowing.", "convention: three tenths"),
        Threshold("large_share", 0.5, "Of the step: twice the devices would gain less than a third.", "arithmetic"),
    )
    interventions = ("exchange-less-often", "raise-batch-size")

    def measure(self, view: RunView) -> ExchangeShare | NotEnough:
        exchange, times = view.recorded(tags.COMMUNICATION_TIME_S), view.signals.step_time
        if exchange is None or len(exchange) == 0 or tags.STEP_TIME_S not in times:
            return NotEnough()
        exchange, whole = exchange.finite(), view.series(tags.STEP_TIME_S).finite()
        whole = whole.take(whole.value > 0)
        if len(exchange) < FEWEST_RECORDS or len(whole) < FEWEST_RECORDS:
            return NotEnough((f"communication_time at {FEWEST_RECORDS} steps or more",), RANKS_LINE)
        # The step time is a mean since the record before; the exchange is that of one step.
        usual = running_median(np.interp(exchange.step, whole.step, whole.value), SMOOTHED)
        share = running_median(np.asarray(exchange.value, np.float64), SMOOTHED) / usual
        since = begin_of_tail(share >= SMALLEST_SHARE)
        return ExchangeShare(
            tag=exchange.tag,
            late=float(np.median(share[int(LATE * len(share)) :])),
            since_step=None if since is None else int(exchange.step[since]),
            last_step=int(exchange.step[-1]),
        )

    def judge(self, measurement: ExchangeShare, limits: Mapping[str, float]) -> list[Finding]:
        if measurement.since_step is None or measurement.late < limits["smallest_share"]:
            return []
        large = measurement.late >= limits["large_share"]
        return [
            self.finding(
                Severity.WARNING if large else Severity.INFO,
                0.85 if large else 0.7,
                f"{measurement.late:.0%} of a step goes into the exchange of gradients",
                first_step=measurement.since_step,
                last_step=measurement.last_step,
                evidence=(self._number(measurement, limits["large_share" if large else "smallest_share"]),),
            )
        ]

    def rule_out(self, measurement: ExchangeShare, limits: Mapping[str, float]) -> Evidence | None:
        limit = limits["smallest_share"]
        return None if measurement.late >= limit else self._number(measurement, limit)

    @staticmethod
    def _number(measurement: ExchangeShare, limit: float) -> Evidence:
        text = f"{measurement.tag} is {measurement.late:.2f} of the step time"
        return Evidence(text, signal=measurement.tag, value=measurement.late, threshold=limit)
