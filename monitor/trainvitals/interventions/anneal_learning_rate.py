"""Let the learning rate come down to zero."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, rate_now, short, steps
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

COOLDOWN_SHARE = 0.2
"""Of the run so far: a fifth gets nearly all of what a schedule that decays throughout would."""

FEWEST_STEPS = 20


class AnnealLearningRate(Intervention):
    """Where the rate has stayed at its height and the loss no longer falls.

    At a constant rate the weights go on being thrown about by the noise of the gradients. A decay to zero lets them
    settle; most of what it gains comes in the last steps of it.
    """

    name = "anneal-learning-rate"
    source = "Hägele et al. 2024, Scaling laws and compute-optimal training beyond fixed training durations"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        rate = rate_now(view)
        if rate is None:
            return None
        length = max(FEWEST_STEPS, steps(view, COOLDOWN_SHARE))
        return self.suggestion(
            summary=f"from a checkpoint, lower the rate from {short(rate)} to zero over {length:,} more steps",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] = group["initial_lr"] = {short(rate)}
scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters={length})
# after every optimizer.step(), for {length} steps:
scheduler.step()
""",
            expected="the loss falls visibly before the decay ends; if not, the noise of the steps is not the limit",
            risk="nothing is learnt at a rate of zero: keep the checkpoint from before to train on from",
            verify=loss_falls(view, finding, COOLDOWN_SHARE),
        )
