"""Lower the learning rate."""

from __future__ import annotations

from typing import NamedTuple

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import (
    loss_falls,
    peak_rate,
    rate_in_force,
    rate_now,
    short,
    usual_rate_before,
)
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 0.3
"""A third: the usual step of a search over learning rates; smaller steps drown in the noise of the loss."""

AGAINST_SPIKES = 0.7
"""Single spikes are the edge of what a rate can bear: 10 to 30 % less, as in the recipes of large models."""

CLEARLY_LOWER = 0.8
"""Of the present rate: a rate that this run bore before is taken for the target if it is below this."""

EXHAUSTED_SHARE = 0.01
"""A rate below a hundredth of its peak is not what makes a loss blow up."""


class LowerLearningRate(Intervention):
    """Where updates overshoot: a diverging or oscillating loss, growing gradients.

    The step size decides whether an update goes down the slope or beyond the valley. A lower one leaves the direction
    as it is and takes effect at once. The target is the rate that this run bore before the trouble, if it was lower.
    """

    name = "lower-learning-rate"
    source = "Bengio 2012, Practical recommendations for gradient-based training of deep architectures, section 3.1"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        target = _target(view, finding)
        if target is None:
            return None
        risk = f"learning becomes slower, by up to {1 / target.factor:.2g} times"
        rate = target.rate
        wanted = short(rate) if rate is not None else f"{FACTOR} * 1e-3"
        return self.suggestion(
            summary=f"lower the learning rate {target.words}",
            how=target.how,
            dialect=view.dialect,
            transformers=training_arguments(learning_rate=wanted) + FROM_WEIGHTS,
            lightning=configure_optimizers(view, lr=wanted) + FROM_WEIGHTS,
            expected="the loss soon falls and becomes less noisy, if the updates overshot",
            risk=risk,
            verify=loss_falls(view, finding),
        )


class _Target(NamedTuple):
    rate: float | None
    factor: float
    words: str
    how: str


def _target(view: RunView, finding: Finding) -> _Target | None:
    now, peak, acting = rate_now(view), peak_rate(view), rate_in_force(view, finding.first_step)
    factor = AGAINST_SPIKES if finding.name == "loss-spikes" else FACTOR
    if now is None or peak is None or acting is None:
        return _Target(None, factor, f"to {factor} times what it is", _scaled(factor, ""))
    if acting < EXHAUSTED_SHARE * peak:
        return None
    if now < FACTOR * acting:
        # It has come down since, by a schedule or by hand; what is left to change is where it begins.
        rate = factor * acting
        how = f"""
for group in optimizer.param_groups:  # before the scheduler is made
    group["lr"] = group["initial_lr"] = {short(rate)}  # it was {short(acting)}
"""
        return _Target(rate, factor, f"to {short(rate)} at the next start, from {short(acting)}", how)
    before = usual_rate_before(view, finding.first_step)
    words = ""
    if before is not None and before < CLEARLY_LOWER * now:
        factor = before / now
        words = f", the usual rate before step {finding.first_step:,}"
    rate = factor * now
    how = _scaled(float(short(factor)), f"  # {short(now)} becomes {short(rate)}")
    return _Target(rate, factor, f"to {short(rate)}{words}", how)


def _scaled(factor: float, comment: str) -> str:
    return f"""
for group in optimizer.param_groups:
    group["lr"] *= {factor}{comment}
# A scheduler computes the rate anew from its base rates, so they must follow.
if hasattr(scheduler, "base_lrs"):
    scheduler.base_lrs = [{factor} * rate for rate in scheduler.base_lrs]
"""
