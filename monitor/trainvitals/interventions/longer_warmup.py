"""Warm the learning rate up for longer."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite, steps
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

AT_PEAK = 0.99
"""Of the peak: where the warm-up of a logged rate ends."""

SMALLEST_SHARE = 0.02
"""Of the run; the usual warm-up of large-model recipes is 1 to 3 %."""

EARLY_SHARE = 0.3
"""Of the run. What goes wrong later has nothing to do with the start."""


class LongerWarmup(Intervention):
    """Where the trouble begins early: a loss or a gradient that blows up in the first third of the run.

    Adam's estimate of the gradient's size rests on few samples at first, and the first layers sit in the steepest part
    of the loss surface. A longer warm-up lets both settle before the updates reach their full size.
    """

    name = "longer-warmup"
    source = "Gilmer et al. 2022, A loss curvature perspective on training instability in deep learning"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        begin = view.run.first_step or 0
        onset = begin if finding.first_step is None else finding.first_step
        if onset - begin > EARLY_SHARE * view.span_steps:
            return None
        had = _warmup_steps(view)
        length = max(2 * had, steps(view, SMALLEST_SHARE))
        return self.suggestion(
            summary=f"warm the learning rate up over {length:,} steps" + (f" instead of {had:,}" if had else ""),
            how=f"""
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters={length})
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, scheduler], milestones=[{length}])
""",
            expected="the run passes the step where it broke with a finite loss",
            risk="costs the steps of the warm-up; needs a new start",
            verify=loss_is_finite(view, finding, max(SMALLEST_SHARE, (onset - begin) / view.span_steps)),
        )


def _warmup_steps(view: RunView) -> int:
    """Steps from the first rate to the first one near the peak, 0 where the rate starts there or is unknown."""
    rate = view.learning_rate
    if rate is None or not float(rate.value.max()) > 0:
        return 0
    at_peak = int(np.argmax(rate.value >= AT_PEAK * rate.value.max()))
    return int(rate.step[at_peak] - rate.step[0])
