"""Raise the learning rate."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, peak_rate, rate_now, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 3.0
"""The usual step of a search over learning rates; at a rate that is far too low there is much room above."""

DECAYED_SHARE = 0.3
"""A rate below a third of its peak was lowered by a schedule; then the schedule is to be changed, not the rate."""


class RaiseLearningRate(Intervention):
    """Where learning is slow and smooth: a loss that falls in a straight line or hardly moves, with small updates.

    If every update is far smaller than what the loss surface bears, three times the rate gives three times the
    progress.
    """

    name = "raise-learning-rate"
    source = "Smith 2017, Cyclical learning rates for training neural networks (the range test)"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        now, peak = rate_now(view), peak_rate(view)
        if now is not None and peak is not None and now < DECAYED_SHARE * peak:
            return None
        values = "" if now is None else f"  # {short(now)} becomes {short(FACTOR * now)}"
        target = f"to {short(FACTOR * now)}" if now is not None else "threefold"
        return self.suggestion(
            summary=f"raise the learning rate {target}",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] *= {FACTOR}{values}
# A scheduler computes the rate anew from its base rates, so they must follow.
if hasattr(scheduler, "base_lrs"):
    scheduler.base_lrs = [{FACTOR} * rate for rate in scheduler.base_lrs]
""",
            expected="the loss falls visibly faster within the trial, if the rate was too low",
            risk="the loss can spike or diverge: keep a checkpoint of the step before; can be undone from it",
            verify=loss_falls(view, finding),
        )
