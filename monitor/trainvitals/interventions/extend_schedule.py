"""Warm up again and decay over the steps that are left."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_falls, peak_rate, short, steps
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

REWARM_SHARE = 1 / 3
"""Of the peak. The full peak undoes much of what was learnt; a third moves the weights again."""

MORE_SHARE = 0.25
"""Of the run so far: the shortest continuation whose gain is likely to be seen."""

WARMUP_SHARE = 0.05
"""Of the continuation."""


class ExtendSchedule(Intervention):
    """Where the learning rate has run out before the loss has.

    With a rate of zero nothing moves. A short warm-up to a third of the peak and a decay over the rest lets the loss
    fall again; at first it rises a little.
    """

    name = "extend-schedule"
    source = "Ibrahim et al. 2024, Simple and scalable strategies to continually pre-train large language models"
    basis = "paper"
    undo = "from a checkpoint"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        peak = peak_rate(view)
        if peak is None:
            return None
        length = max(20, steps(view, MORE_SHARE))
        warmup = max(1, round(WARMUP_SHARE * length))
        rate = REWARM_SHARE * peak
        return self.suggestion(
            summary=f"warm up again to {short(rate)}, a third of the peak, and decay over {length:,} more steps",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] = group["initial_lr"] = {short(rate)}
warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters={warmup})
decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={length - warmup})
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[{warmup}])
# In a new run, give the schedule the number of steps that the run really has.
""",
            dialect=view.dialect,
            transformers=training_arguments(
                learning_rate=short(rate),
                lr_scheduler_type='"cosine"',
                warmup_steps=str(warmup),
                max_steps=str(length),
            )
            + FROM_WEIGHTS,
            lightning=configure_optimizers(
                view,
                f"""warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters={warmup})
decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={length - warmup})
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[{warmup}])
return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": scheduler, "interval": "step"}}}}""",
                lr=short(rate),
            )
            + FROM_WEIGHTS,
            expected="after a short rise the loss falls below its present level by the end of the continuation",
            risk="the rise is real: keep the present checkpoint; stop if the loss is not back after half the steps",
            verify=loss_falls(view, finding, MORE_SHARE),
        )
