"""Put the model back into training mode."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView


class TrainingMode(Intervention):
    """Where updates are made while dropout and batch norm are in evaluation mode.

    `model.eval()` holds until somebody calls `model.train()`. Whoever switches inside the function that validates, and
    back in it, cannot forget it.
    """

    name = "training-mode"
    source = "PyTorch documentation of torch.nn.Module.train and eval"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        return self.suggestion(
            summary="call model.train() after each validation",
            how="""
def validate(model, batches):
    model.eval()
    with torch.no_grad():
        losses = [loss_fn(model(x), y).item() for x, y in batches]
    model.train()
    return sum(losses) / len(losses)
""",
            expected="dropout works again and batch norm follows its batches; the training loss may rise a little",
            risk="running statistics of batch norm need some hundred steps to follow; can be undone",
            verify=Verify(tags.MODEL_IN_EVAL_MODE, "down", 1.0, steps(view)),
        )
