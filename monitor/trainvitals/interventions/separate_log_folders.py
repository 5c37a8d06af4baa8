"""Give everything that is measured apart a place of its own."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite, quoted
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView


class SeparateLogFolders(Intervention):
    """Where different things share one place: several starts in one folder, a final test under validation's name."""

    name = "separate-log-folders"
    source = "TensorBoard documentation: one folder for each run"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        if finding.name == "foreign-validation-row":
            return self._own_name(finding)
        return self.suggestion(
            summary="give every start a folder of its own",
            how="""
import datetime

from torch.utils.tensorboard import SummaryWriter

writer = SummaryWriter(f"runs/{datetime.datetime.now():%Y%m%d-%H%M%S}")
# when a training is resumed on purpose: SummaryWriter(the_same_folder, purge_step=first_step_to_come)
""",
            dialect=view.dialect,
            transformers="""
import datetime

from transformers import TrainingArguments

args = TrainingArguments(output_dir=f"out/{datetime.datetime.now():%Y%m%d-%H%M%S}")  # all else as you have it
""",
            lightning="""
import datetime

from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

logger = TensorBoardLogger("runs", name="", version=f"{datetime.datetime.now():%Y%m%d-%H%M%S}")
trainer = Trainer(logger=logger)  # all else as you have it
""",
            expected="each start is judged on its own",
            risk="",
            verify=loss_is_finite(view, finding),
        )

    def _own_name(self, finding: Finding) -> Suggestion:
        used = next(iter(sorted(finding.signals)), tags.VALIDATION_LOSS)
        return self.suggestion(
            summary="log the final evaluation under a name of its own",
            how=f"""
writer.add_scalar("test/loss", test_loss, step)  # and not {quoted(used)}
""",
            expected="the validation curve ends with validation, and its best value is one of validation",
            risk="none",
            verify=Verify("test/loss", "finite", 0.0, 1),
        )
