"""Use a smaller batch."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

PART = 2
"""Half: a step loses little where the noise scale is a fifth of the batch, and every step costs half."""


class SmallerBatch(Intervention):
    """Where the batch is many times the gradient noise scale: its gradient would be nearly the same with half of it.

    The rate stays as it is, because without noise it is the curvature that limits it.
    """

    name = "smaller-batch"
    source = "McCandlish et al. 2018, An empirical model of large-batch training, section 2"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="halve the batch at the same learning rate, and again where the loss does not mind",
            how=f"""
# Where gradients are accumulated, halve the number of batches instead.
loader = torch.utils.data.DataLoader(dataset, batch_size=loader.batch_size // {PART}, shuffle=True, drop_last=True)
""",
            expected="the loss falls as fast a step, and each step costs half",
            risk="on many devices a step may take as long as before; can be undone at any step",
            verify=loss_falls(view, finding, 0.05),
        )
