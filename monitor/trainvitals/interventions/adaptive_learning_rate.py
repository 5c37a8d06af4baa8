"""Let the validation loss lower the learning rate."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import configure_optimizers, monitored, training_arguments
from trainvitals.interventions.values import level_of, loss_falls, peak_rate, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import LossCurve, RunView

FACTOR = 0.3
PATIENCE_SHARE = 0.1
"""Of the validations of the run: a noisy loss must have the chance to get better once more."""

SMALLEST_PATIENCE = 3
FLOOR_SHARE = 1e-3
"""Of the peak: below it a lower rate only costs time."""

CUSTOMARY_RATE = 1e-3


class AdaptiveLearningRate(Intervention):
    """Where a loss is flat and noisy at a constant rate, or a fixed schedule does not fit the run.

    Near a minimum the noise of the updates is in proportion to the rate, so a lower rate lets the loss fall further.
    The scheduler waits as many validations, and asks for as much, as the noise of this run demands.
    """

    name = "adaptive-learning-rate"
    source = "PyTorch documentation, ReduceLROnPlateau; its threshold of 1e-4 is far below the noise of most runs"
    basis = "law"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = view.val_loss or view.train_loss
        level = level_of(loss)
        if loss is None or level is None:
            return None
        patience = max(SMALLEST_PATIENCE, round(PATIENCE_SHARE * len(loss)))
        peak = peak_rate(view) or CUSTOMARY_RATE
        return self.suggestion(
            summary=f"lower the learning rate when the loss has not improved for {patience} evaluations",
            how=f"""
for group in optimizer.param_groups:
    group["lr"] = {short(peak)}
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
    optimizer, factor={FACTOR}, patience={patience}, threshold={short(level.tolerance)}, threshold_mode="abs",
    min_lr={short(FLOOR_SHARE * peak)},
)
# after every evaluation:
scheduler.step(validation_loss)
""",
            dialect=view.dialect,
            transformers=training_arguments(
                learning_rate=short(peak),
                lr_scheduler_type='"reduce_lr_on_plateau"',
                lr_scheduler_kwargs=(
                    f'{{"factor": {FACTOR}, "patience": {patience}, "threshold": {short(level.tolerance)}, '
                    f'"threshold_mode": "abs", "min_lr": {short(FLOOR_SHARE * peak)}}}'
                ),
                metric_for_best_model=monitored(view, loss),
                eval_strategy='"steps"',
                eval_steps=str(_every(loss)),
            ),
            lightning=configure_optimizers(
                view,
                f"""scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
    optimizer, factor={FACTOR}, patience={patience}, threshold={short(level.tolerance)}, threshold_mode="abs",
    min_lr={short(FLOOR_SHARE * peak)},
)
return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": scheduler, "monitor": {monitored(view, loss)}}}}}""",
                lr=short(peak),
            ),
            expected="the loss falls by a visible step after the first reductions and is less noisy",
            risk="every early reduction slows learning down for good: look at the slope after it, not at the step",
            verify=loss_falls(view, finding, 0.1),
        )


def _every(loss: LossCurve) -> int:
    """Steps from one evaluation to the next."""
    return max(1, int(np.median(np.diff(loss.curve.step)))) if len(loss) > 1 else 500
