"""Log the loss, or say which tag it is."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import training_arguments
from trainvitals.interventions.values import quoted
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

LISTED_TAGS = 4


class LogTheLoss(Intervention):
    """Where no loss was found, or none that says how well the model does."""

    name = "log-the-loss"
    source = "trainvitals signals PATH shows how every tag was understood"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        candidates = ", ".join(quoted(tag) for tag in list(view.run.series)[:LISTED_TAGS])
        hint = f"# or, if it is one of {candidates}: --train-loss TAG\n" if candidates else ""
        return self.suggestion(
            summary="log the training loss, or name its tag with --train-loss",
            how=f"""
from torch.utils.tensorboard import SummaryWriter

{hint}writer = SummaryWriter("runs/named")
writer.add_scalar({quoted(tags.TRAIN_LOSS)}, loss.item(), step)  # in the loop, after every step
""",
            dialect=view.dialect,
            transformers=training_arguments(logging_strategy='"steps"', logging_steps="10", report_to='"tensorboard"'),
            lightning="""
def training_step(self, batch, batch_idx):  # of your LightningModule
    x, y = batch
    loss = self.loss(self(x), y)
    self.log("train_loss", loss)
    return loss
""",
            expected="the next diagnosis has a loss to judge",
            risk="",
            verify=Verify(tags.TRAIN_LOSS, "finite", 0.0, 1),
        )
