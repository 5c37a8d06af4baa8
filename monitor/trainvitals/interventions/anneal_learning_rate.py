"""Bring the learning rate down over the next part of the run."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_falls, peak_rate, rate_now, short, steps
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 0.3
"""To a third: the noise of the loss falls in proportion, and there is progress left at that rate."""

OVER_SHARE = 0.1
"""Of the run so far."""

COOLDOWN_SHARE = 0.2
"""Where the run is to end: a fifth, down to zero, gets nearly all of what a schedule that decays throughout would."""

ANNEALED_SHARE = 0.1
"""Of its peak: a rate this low has been annealed already."""


class AnnealLearningRate(Intervention):
    """Where noise is what keeps the loss up: it is flat at a constant rate, and the gradients are mostly noise.

    Around a minimum the updates settle at a distance that is in proportion to the rate. A lower rate brings the loss
    down at once; whether the run then also gets further is told by its slope, not by the step. Where the rate has
    never come down, it does so to zero, and the run ends with it.
    """

    name = "anneal-learning-rate"
    source = "Hägele et al. 2024, Scaling laws beyond fixed training durations; Wu et al. 2018 on short-horizon bias"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        now, peak = rate_now(view), peak_rate(view)
        if now is None or peak is None or now < ANNEALED_SHARE * peak:
            return None
        to_zero = finding.name == "schedule-never-decays"
        share, factor = (COOLDOWN_SHARE, 0.0) if to_zero else (OVER_SHARE, FACTOR)
        length = max(20, steps(view, share))
        low = short(factor * now) if factor else "zero"
        scheduler = (
            f"torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor={factor}, total_iters={length})"
        )
        then = f"""scheduler = {scheduler}
return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": scheduler, "interval": "step"}}}}"""
        return self.suggestion(
            summary=f"bring the learning rate from {short(now)} down to {low} over {length:,} steps",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] = group["initial_lr"] = {short(now)}
scheduler = {scheduler}
# in the loop, in place of the scheduler before:
optimizer.step()
scheduler.step()
""",
            dialect=view.dialect,
            transformers=training_arguments(
                learning_rate=short(now),
                lr_scheduler_type='"polynomial"',
                lr_scheduler_kwargs=f'{{"lr_end": {short(max(factor, 1e-3) * now)}, "power": 1.0}}',
                warmup_steps="0",
                max_steps=str(length),
            )
            + FROM_WEIGHTS,
            lightning=configure_optimizers(view, then, lr=short(now)) + FROM_WEIGHTS,
            expected="the loss falls by a visible step and is less noisy, if noise was the limit",
            risk="a first fall always looks like a win: a rate lowered too early learns more slowly for good",
            verify=loss_falls(view, finding, share),
        )
