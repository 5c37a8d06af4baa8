"""UPD004: gradients are never emptied, so that every update is made of all gradients since the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.wiring_record import FEWEST_RECORDS, MOSTLY, WATCH, begin_of_mostly, of_optimizers
from trainvitals.view import RunView


@dataclass(frozen=True, slots=True)
class KeptGradients:
    """Whether updates used gradients that an update before had used.

    Args:
        tag: of the optimizer that does so for longest, else of the first.
        records: of it. share: of its records, from the onset on or of all, in which gradients were kept.
        first_step: from which it does, None where it does not. last_step: of its records.
    """

    tag: str
    records: int
    share: float
    first_step: int | None
    last_step: int


class StaleGradients(Rule[KeptGradients]):
    """Updates are made of gradients that earlier updates have used already.

    What it finds
    -------------
    A loop that never sets gradients to zero, or that stopped doing so: each update is made of the sum of all gradients
    so far.

    Why it matters
    --------------
    The sum points where the model stood long ago, and it grows without end. The loss falls at first, as it would with
    much momentum, and then oscillates, stands still above what can be reached, or blows up.

    How it is detected
    ------------------
    The hooks look, at recorded steps, whether a parameter still held a gradient whenever a new one came. A finding
    needs that from some record on in at least nine of ten records, and in the last `fewest_records`.

    False alarms
    ------------
    Gradients that are added up over several batches on purpose are emptied after the update that used them, and are no
    finding. A loop that means to use old gradients, as a momentum of its own, is one: accept it in the settings.

    What to try
    -----------
    Call `optimizer.zero_grad()` once for each `optimizer.step()`.

    Sources
    -------
    The documentation of `torch.optim.Optimizer.zero_grad`; Zhang et al. 2021 and the fault benchmarks after it list it
    among the usual mistakes in training loops.
    """

    code = "UPD004"
    name = "stale-gradients"
    summary = "Updates are made of gradients that earlier updates have used already."
    reads = (tags.GRADIENTS_KEPT,)
    thresholds = (
        Threshold(
            "fewest_records",
            FEWEST_RECORDS,
            "What is looked at is exact, so that a few records in a row are no accident.",
            "convention",
        ),
    )
    absorbs = (
        *("plateau", "not-learning", "diverging-loss", "non-finite-loss", "loss-spikes", "exploding-gradients"),
        *("oscillating-loss", "updates-too-large", "learning-rate-too-high", "clipping-saturated"),
        *("representation-collapse", "dead-units", "saturated-activations", "activation-growth"),
    )
    interventions = ("empty-gradients", "restore-checkpoint")

    def measure(self, view: RunView) -> KeptGradients | NotEnough:
        found = [_kept(series) for series in of_optimizers(view, tags.GRADIENTS_KEPT) if len(series)]
        if not found:
            return NotEnough((tags.GRADIENTS_KEPT,), WATCH)
        return min(found, key=lambda each: (each.first_step is None, each.first_step))

    def judge(self, measurement: KeptGradients, limits: Mapping[str, float]) -> list[Finding]:
        kept = measurement
        if kept.first_step is None or kept.records < limits["fewest_records"]:
            return []
        return [
            self.finding(
                Severity.ERROR,
                0.97,
                f"no gradient is emptied since step {kept.first_step:,}: every update adds up all gradients so far",
                first_step=kept.first_step,
                last_step=kept.last_step,
                evidence=(
                    Evidence(
                        f"in {kept.share:.0%} of the records since then a new gradient was added to one already used",
                        signal=kept.tag,
                        value=kept.share,
                        threshold=MOSTLY,
                        step=kept.first_step,
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: KeptGradients, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.records < limits["fewest_records"] or measurement.share > 0:
            return None
        text = f"gradients were emptied before each of {measurement.records:,} updates looked at"
        return Evidence(text, signal=measurement.tag, value=0.0)


def _kept(series: Series) -> KeptGradients:
    holds = np.asarray(series.value > 0)
    onset = begin_of_mostly(holds)
    return KeptGradients(
        tag=series.tag,
        records=len(series),
        share=float(np.mean(holds[onset or 0 :])),
        first_step=None if onset is None else int(series.step[onset]),
        last_step=int(series.step[-1]),
    )
