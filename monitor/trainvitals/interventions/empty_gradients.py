"""Set gradients to zero once for each update."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView


class EmptyGradients(Intervention):
    """Where an update uses gradients that an earlier update has used already.

    PyTorch adds each new gradient to what is there. Only the loop knows when a gradient has been used, so the loop must
    empty it; after the update is the place that is right with accumulation too.
    """

    name = "empty-gradients"
    source = "PyTorch documentation of torch.optim.Optimizer.zero_grad"
    basis = "documentation"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        signal = next(iter(sorted(finding.signals)), tags.GRADIENTS_KEPT)
        return self.suggestion(
            summary="call optimizer.zero_grad() after each optimizer.step()",
            how="""
loss.backward()
optimizer.step()
optimizer.zero_grad()
""",
            dialect=view.dialect,
            transformers="""
# The Trainer empties gradients by itself. In a training_step or callback of your own that calls optimizer.step():
optimizer.zero_grad()
""",
            lightning="""
# Lightning empties gradients by itself. With automatic_optimization = False, in training_step:
optimizer = self.optimizers()
optimizer.zero_grad()
self.manual_backward(loss)
optimizer.step()
""",
            expected="each update is made of the gradients of its own batches only; the loss falls without swinging",
            risk="weights that old gradients have spoiled may need an earlier checkpoint",
            verify=Verify(signal, "down", 1.0, steps(view)),
        )
