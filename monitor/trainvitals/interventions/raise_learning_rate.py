"""Raise the learning rate."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_falls, peak_rate, rate_now, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 3.0
"""The usual step of a search over learning rates; at a rate that is far too low there is much room above."""

FAR = 10.0
"""Where the updates of this run are so small that three times as much would still be far too little."""

HEALTHY_RATIO = 1e-3
"""Update over weight that most healthy trainings have, within a factor of ten."""

DECAYED_SHARE = 0.3
"""A rate below a third of its peak was lowered by a schedule; then the schedule is to be changed, not the rate."""


class RaiseLearningRate(Intervention):
    """Where learning is slow and smooth: a loss that falls in a straight line or hardly moves, with small updates.

    If every update is far smaller than what the loss surface bears, three times the rate gives three times the
    progress; ten times, where the recorded updates are below a hundredth of what is usual.
    """

    name = "raise-learning-rate"
    source = "Smith 2017, Cyclical learning rates for training neural networks (the range test)"
    basis = "paper"
    undo = "from a checkpoint"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        now, peak = rate_now(view), peak_rate(view)
        if now is not None and peak is not None and now < DECAYED_SHARE * peak:
            return None
        ratio = _update_ratio(view)
        factor = FAR if ratio is not None and ratio * FAR**2 < HEALTHY_RATIO else FACTOR
        own = "" if ratio is None else f"; an update is {short(ratio)} of its weights now"
        values = "" if now is None else f"  # {short(now)} becomes {short(factor * now)}"
        target = f"to {short(factor * now)}" if now is not None else f"{factor:g} times"
        wanted = short(factor * now) if now is not None else f"{factor:g} * 1e-3"
        return self.suggestion(
            summary=f"raise the learning rate {target}{own}",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] *= {factor}{values}
# A scheduler computes the rate anew from its base rates, so they must follow.
if hasattr(scheduler, "base_lrs"):
    scheduler.base_lrs = [{factor} * rate for rate in scheduler.base_lrs]
""",
            dialect=view.dialect,
            transformers=training_arguments(learning_rate=wanted) + FROM_WEIGHTS,
            lightning=configure_optimizers(view, lr=wanted) + FROM_WEIGHTS,
            expected="the loss falls visibly faster within the trial, if the rate was too low",
            risk="the loss can spike or diverge: keep a checkpoint of the step before",
            verify=loss_falls(view, finding),
        )


def _update_ratio(view: RunView) -> float | None:
    """The median over layers of the last update over the weights, None where it was not recorded."""
    ratios = view.layers("update_ratio")
    latest = np.empty(0) if ratios is None or len(ratios) == 0 else ratios.value[-1]
    positive = latest[np.isfinite(latest) & (latest > 0)]
    return float(np.median(positive)) if len(positive) else None
