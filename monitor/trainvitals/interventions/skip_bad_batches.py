"""Skip the update of a batch whose gradient is out of all proportion."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import gradient_norm, loss_is_finite, short
from trainvitals.maths.robust import mad_scale
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

WIDE = 6.0
"""Robust standard deviations of the logarithm of the norm: what OLMo-core skips, on a scale that bears heavy tails."""


class SkipBadBatches(Intervention):
    """Where single batches throw the weights off: isolated spikes, a sudden NaN.

    One update is worth little, and a damaged one costs hundreds to repair. The threshold lies six robust standard
    deviations above the run's own norms, so that ordinary batches are never skipped.
    """

    name = "skip-bad-batches"
    source = "OLMo-core's SkipStepOptimizer: skips at six standard deviations of loss or gradient norm"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        norm = gradient_norm(view, finding.first_step)
        if norm is None:
            condition, origin = "torch.isfinite(norm)", "its gradient is not finite"
        else:
            logarithm = np.log(norm.value.astype(np.float64))
            threshold = float(np.exp(min(np.median(logarithm) + WIDE * max(mad_scale(logarithm), 0.1), 700.0)))
            condition = f"torch.isfinite(norm) and norm < {short(threshold)}"
            origin = f"the norm of its gradient is above {short(threshold)}"
        return self.suggestion(
            summary=f"skip the update of a batch if {origin}",
            how=f"""
loss.backward()
norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=float("inf"))  # measures without clipping
if {condition}:
    optimizer.step()
optimizer.zero_grad()
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer

class Skipping(Trainer):
    def training_step(self, *inputs):
        loss = super().training_step(*inputs)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=float("inf"))  # measures only
        if not ({condition}):
            self.model.zero_grad()
        return loss
""",
            lightning=f"""
def on_before_optimizer_step(self, optimizer):  # of your LightningModule
    norm = torch.nn.utils.clip_grad_norm_(self.parameters(), max_norm=float("inf"))  # measures without clipping
    if not ({condition}):
        optimizer.zero_grad()
""",
            expected="the spikes disappear; far fewer than 1 % of the batches are skipped",
            risk="frequent skips hide a real problem: count them; reading the norm waits for the device each step",
            verify=loss_is_finite(view, finding),
        )
