"""Lower the learning rate."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, peak_rate, rate_now, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 0.3
"""A third: the usual step of a search over learning rates; smaller steps drown in the noise of the loss."""

EXHAUSTED_SHARE = 0.01
"""A rate below a hundredth of its peak is not what makes a loss blow up."""


class LowerLearningRate(Intervention):
    """Where updates overshoot: a diverging or oscillating loss, growing gradients.

    The step size decides whether an update goes down the slope or beyond the valley. A third of it leaves the direction
    as it is and takes effect at once.
    """

    name = "lower-learning-rate"
    source = "Bengio 2012, Practical recommendations for gradient-based training of deep architectures, section 3.1"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        now, peak = rate_now(view), peak_rate(view)
        if now is not None and peak is not None and now < EXHAUSTED_SHARE * peak:
            return None
        values = "" if now is None else f"  # {short(now)} becomes {short(FACTOR * now)}"
        target = f"to {short(FACTOR * now)}" if now is not None else "to a third"
        return self.suggestion(
            summary=f"lower the learning rate {target}",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] *= {FACTOR}{values}
# A scheduler computes the rate anew from its base rates, so they must follow.
if hasattr(scheduler, "base_lrs"):
    scheduler.base_lrs = [{FACTOR} * rate for rate in scheduler.base_lrs]
""",
            expected="the loss soon falls and becomes less noisy, if the updates overshot",
            risk="learning becomes slower by up to the same factor; can be undone at any step",
            verify=loss_falls(view, finding),
        )
