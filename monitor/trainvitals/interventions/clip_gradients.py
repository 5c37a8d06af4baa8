"""Clip the norm of the gradient."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import gradient_norm, loss_is_finite, short, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

PERCENTILE = 90
"""Of the run's own norms: nine of ten updates stay as they are; the largest are shortened but not turned."""

CUSTOMARY_NORM = 1.0
"""What most language-model recipes use; taken where the run logged no norm."""


class ClipGradients(Intervention):
    """Where single or growing gradients throw the weights off: spikes, divergence, exploding gradients.

    An update in a good direction but a thousand times too long is worse than none. The threshold is what the run's own
    gradients stayed below nine times out of ten before the trouble began.
    """

    name = "clip-gradients"
    source = "Pascanu et al. 2013, On the difficulty of training recurrent neural networks"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        norm = gradient_norm(view, finding.first_step)
        threshold = CUSTOMARY_NORM if norm is None else float(np.percentile(norm.value, PERCENTILE))
        origin = "the customary value" if norm is None else f"the {PERCENTILE}th percentile of the norms until then"
        return self.suggestion(
            summary=f"clip the norm of the gradient at {short(threshold)}, {origin}",
            how=f"""
loss.backward()
# With a GradScaler, call scaler.unscale_(optimizer) first.
torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={short(threshold)})
optimizer.step()
""",
            dialect=view.dialect,
            transformers=training_arguments(max_grad_norm=short(threshold)),
            lightning=lightning_trainer(gradient_clip_val=short(threshold)),
            expected="no update is longer than the usual ones any more, so the loss does not jump",
            risk="if most gradients are clipped, learning slows down: raise the threshold then",
            verify=_verify(view, finding, threshold),
        )


def _verify(view: RunView, finding: Finding, threshold: float) -> Verify:
    late = gradient_norm(view)
    if late is None:
        return loss_is_finite(view, finding)
    above = float(late.value[-max(1, len(late) // 10) :].max()) - threshold
    return Verify(late.tag, "down", above, steps(view)) if above > 0 else loss_is_finite(view, finding)
