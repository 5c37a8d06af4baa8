"""Stop by itself once validation has not improved for long enough."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import monitored, training_arguments
from trainvitals.interventions.values import level_of, loss_falls, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

PATIENCE_SHARE = 0.1
SMALLEST_PATIENCE = 3
"""Prechelt's best trade-off: three to six evaluations without improvement."""


class EarlyStopping(Intervention):
    """Where validation gets worse while training goes on.

    The checkpoint of the best validation loss is kept, and training ends when the loss has not improved on it by more
    than its own noise for a tenth of the evaluations.
    """

    name = "early-stopping"
    source = "Prechelt 1998, Early stopping - but when?"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = view.val_loss
        level = level_of(loss)
        if loss is None or level is None:
            return None
        patience = max(SMALLEST_PATIENCE, round(PATIENCE_SHARE * len(loss)))
        return self.suggestion(
            summary=f"stop after {patience} evaluations without an improvement of more than {short(level.tolerance)}",
            how=f"""
# before the loop: best, waited = float("inf"), 0; after every evaluation:
if validation_loss < best - {short(level.tolerance)}:
    best, waited = validation_loss, 0
    torch.save({{"model": model.state_dict(), "optimizer": optimizer.state_dict()}}, "best.pt")
else:
    waited += 1
stop = waited >= {patience}
""",
            dialect=view.dialect,
            transformers=training_arguments(
                eval_strategy='"epoch"',
                save_strategy='"epoch"',
                load_best_model_at_end="True",
                metric_for_best_model=monitored(view, loss),
            )
            + f"""
from transformers import EarlyStoppingCallback

stopping = EarlyStoppingCallback(early_stopping_patience={patience}, early_stopping_threshold={short(level.tolerance)})
# Trainer(..., callbacks=[stopping])
""",
            lightning=f"""
from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

stopping = EarlyStopping({monitored(view, loss)}, patience={patience}, min_delta={short(level.tolerance)})
keeping = ModelCheckpoint(monitor={monitored(view, loss)}, save_top_k=1)
trainer = Trainer(callbacks=[stopping, keeping])  # all else as you have it
""",
            expected="the next run ends soon after its best validation loss, and keeps that checkpoint",
            risk="stops too early where the loss rises before it falls again (double descent): raise the patience",
            verify=loss_falls(view, finding, 1.0),
        )
