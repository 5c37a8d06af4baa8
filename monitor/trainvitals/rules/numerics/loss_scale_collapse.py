"""NUM001: the loss scale of mixed precision falls and falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals import tags
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

SCALE_LINE = f'writer.add_scalar("{tags.LOSS_SCALE}", scaler.get_scale(), step)'

FEWEST_RECORDS = 5
LATE = 0.5
"""In the first half of the run a scaler may still be finding its scale."""

LASTING_RECORDS = 3
SMALLEST_SCALE = 1.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What a loss scale did.

    Args:
        tag: of the scale. peak, last: its largest and its last value.
        below_since: step from which on it is below one until the end; None where it is not.
        skipped: updates skipped in the second half of the run; rate: over its steps.
        middle_step, last_step: of the run.
    """

    tag: str
    peak: float
    last: float
    below_since: int | None
    skipped: float
    rate: float
    middle_step: int
    last_step: int


class LossScaleCollapse(Rule[Scale]):
    """The scale of mixed precision is halved again and again, because the gradients keep overflowing.

    What it finds
    -------------
    A loss scale that has fallen below one, or updates that are skipped far more often than the search for the largest
    usable scale costs.

    Why it matters
    --------------
    Each skipped update is a batch lost. A scale below one means that the gradients do not fit float16 even unscaled:
    the training is about to stop moving, or to break.

    How it is detected
    ------------------
    A GradScaler doubles its scale after 2,000 clean updates and halves it at each overflow, so a healthy run skips
    about one update in 2,000. A finding needs a scale below `smallest_scale` at the last three records, that has been
    sixteen times as large; or, in the second half of the run, `largest_rate` of the updates skipped, and `fewest`.

    False alarms
    ------------
    The first updates of a run, which search for the scale, do not count. A fixed scale that somebody chose below one is
    none, for it never falls.

    What to try
    -----------
    bfloat16; float32 for softmax, norms and the loss; clip after unscaling; a lower learning rate.

    Sources
    -------
    Micikevicius et al. 2018, "Mixed precision training"; PyTorch documentation, torch.amp.GradScaler.
    """

    code = "NUM001"
    name = "loss-scale-collapse"
    summary = "The loss scale of mixed precision falls and falls."
    reads = (tags.LOSS_SCALE, tags.SKIPPED_STEPS)
    thresholds = (
        Threshold("smallest_scale", SMALLEST_SCALE, "Below it the loss is made smaller.", "what scaling is for"),
        Threshold(
            "largest_rate",
            0.01,
            "Of the updates: twenty times what a scaler needs to find its scale.",
            "one in 2,000: growth interval of torch.amp.GradScaler",
        ),
        Threshold("fewest", 3, "Skipped updates: fewer are chance.", "convention"),
    )
    absorbs = ("non-finite-gradients",)
    interventions = ("use-bfloat16", "anomaly-detection", "clip-gradients", "lower-learning-rate")

    def measure(self, view: RunView) -> Scale | NotEnough:
        scale, counted = view.recorded(tags.LOSS_SCALE), view.recorded(tags.SKIPPED_STEPS)
        scale = None if scale is None else scale.finite()
        if scale is None or len(scale) == 0:
            # Most trainings have no loss scale, and lack nothing.
            return NotEnough()
        if len(scale) < FEWEST_RECORDS:
            return NotEnough((f"loss_scale at {FEWEST_RECORDS} steps or more",), SCALE_LINE)
        middle = int(scale.step[0] + LATE * (scale.step[-1] - scale.step[0]))
        skipped = _skipped(scale, counted, middle)
        value = np.asarray(scale.value, np.float64)
        below = begin_of_tail(value < SMALLEST_SCALE)
        lasts = below is not None and len(value) - below >= LASTING_RECORDS
        return Scale(
            tag=scale.tag,
            peak=float(value.max()),
            last=float(value[-1]),
            below_since=int(scale.step[below]) if lasts and below is not None else None,
            skipped=skipped,
            rate=skipped / max(1.0, float(scale.step[-1]) - middle),
            middle_step=middle,
            last_step=int(scale.step[-1]),
        )

    def judge(self, measurement: Scale, limits: Mapping[str, float]) -> list[Finding]:
        fell = measurement.last < limits["smallest_scale"] and measurement.peak >= 16 * max(measurement.last, 1e-300)
        collapsed = fell and measurement.below_since is not None
        often = measurement.rate >= limits["largest_rate"] and measurement.skipped >= limits["fewest"]
        if not collapsed and not often:
            return []
        begin = (
            measurement.below_since if collapsed and measurement.below_since is not None else measurement.middle_step
        )
        evidence = []
        if collapsed:
            text = f"{measurement.tag} fell from {measurement.peak:.3g} to {measurement.last:.3g}"
            evidence.append(
                Evidence(text, measurement.tag, measurement.last, threshold=limits["smallest_scale"], step=begin)
            )
        if often:
            text = f"{measurement.skipped:,.0f} updates were skipped since step {measurement.middle_step:,}"
            evidence.append(Evidence(text, value=measurement.rate, threshold=limits["largest_rate"]))
        what = "the loss scale has collapsed" if collapsed else f"{measurement.rate:.1%} of the updates overflow"
        return [
            self.finding(
                Severity.WARNING,
                0.95 if collapsed and often else 0.85,
                f"{what}: the gradients do not fit half precision",
                first_step=begin,
                last_step=measurement.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: Scale, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.rate >= limits["largest_rate"]:
            return None
        text = f"{measurement.rate:.2%} of the updates were skipped, and the scale is {measurement.last:.3g}"
        return Evidence(text, signal=measurement.tag, value=measurement.rate, threshold=limits["largest_rate"])


def _skipped(scale: Series, counted: Series | None, middle: int) -> float:
    """Updates skipped after the middle: as counted, else the halvings that the records show."""
    counted = None if counted is None else counted.finite()
    if counted is not None and len(counted):
        late: NDArray[np.float64] = np.interp([middle, scale.step[-1]], counted.step, counted.value)
        return max(0.0, float(late[1] - late[0]))
    value = np.maximum(np.asarray(scale.value[scale.step >= middle], np.float64), 1e-300)
    return float(np.sum(np.maximum(0.0, -np.diff(np.log2(value)))))
