"""Raise the limit of gradient clipping."""

from __future__ import annotations

import numpy as np

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import loss_falls, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

PERCENTILE = 90
"""Of the run's own norms before clipping: only the longest tenth is still shortened."""

CUSTOMARY_NORM = 1.0
"""What most language-model recipes use; taken where the norms before clipping were not logged."""


class RaiseClipLimit(Intervention):
    """Where (nearly) every gradient is clipped to a fraction, under an optimizer that does not make up for it.

    The limit is meant for outliers. Where every step runs into it, it sets the length of the step, and with it the
    learning rate.
    """

    name = "raise-clip-limit"
    source = "Pascanu et al. 2013, On the difficulty of training recurrent neural networks, section 3.2"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        tag = tags.GRADIENT_NORM_BEFORE_CLIPPING
        norm = view.series(tag).finite() if tag in view.signals.grad_norm else None
        positive = np.empty(0) if norm is None else norm.value[norm.value > 0]
        limit = float(np.percentile(positive, PERCENTILE)) if len(positive) else CUSTOMARY_NORM
        origin = f"the {PERCENTILE}th percentile of the norms before it" if len(positive) else "the customary value"
        return self.suggestion(
            summary=f"raise the limit of clipping to {short(limit)}, {origin}",
            how=f"""
loss.backward()
# With a GradScaler, call scaler.unscale_(optimizer) first.
torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={short(limit)})
optimizer.step()
""",
            dialect=view.dialect,
            transformers=training_arguments(max_grad_norm=short(limit)),
            lightning=lightning_trainer(gradient_clip_val=short(limit)),
            expected="steps become as long as the learning rate means them to be, and the loss falls",
            risk="the learning rate may turn out too high for steps of full length",
            verify=loss_falls(view, finding),
        )
