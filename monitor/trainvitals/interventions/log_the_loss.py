"""Log the loss, or say which tag it is."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import quoted
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

LISTED_TAGS = 5


class LogTheLoss(Intervention):
    """Where no loss was found, or none that says how well the model does."""

    name = "log-the-loss"
    source = "trainvitals signals PATH shows how every tag was understood"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        candidates = ", ".join(quoted(tag) for tag in list(view.run.series)[:LISTED_TAGS])
        hint = f"  # if it is one of {candidates}: --train-loss TAG" if candidates else ""
        return self.suggestion(
            summary="log the training loss, or name its tag with --train-loss",
            how=f"""
from torch.utils.tensorboard import SummaryWriter

writer = SummaryWriter("runs/named"){hint}
writer.add_scalar({quoted(tags.TRAIN_LOSS)}, loss.item(), step)  # in the loop, after every step
""",
            expected="the next diagnosis has a loss to judge",
            risk="none",
            verify=Verify(tags.TRAIN_LOSS, "finite", 0.0, 1),
        )
