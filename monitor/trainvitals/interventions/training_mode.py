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
    basis = "documentation"
    undo = "at any step"

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
            dialect=view.dialect,
            transformers="""
from transformers import TrainerCallback

class InTrainingMode(TrainerCallback):
    def on_step_begin(self, args, state, control, model=None, **kwargs):
        model.train()  # after a callback that calls model.eval()

trainer.add_callback(InTrainingMode())
""",
            lightning="""
def on_train_batch_start(self, batch, batch_idx):  # of your LightningModule
    self.train()  # Lightning leaves in evaluation mode what was so before trainer.fit
""",
            expected="dropout works again and batch norm follows its batches; the training loss may rise a little",
            risk="running statistics of batch norm need some hundred steps to follow",
            verify=Verify(tags.MODEL_IN_EVAL_MODE, "down", 1.0, steps(view)),
        )
