"""Stop, and keep the best checkpoint."""

from __future__ import annotations

from trainvitals.best_loss import best_of
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite, quoted, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class StopAndKeepBest(Intervention):
    """Where going on costs more than it brings: a converged run, a schedule that has ended, a flat loss.

    The cheapest intervention of all. The best step is where the validation loss was lowest, or the training loss where
    nothing was validated; a single lucky value is no best.
    """

    name = "stop-and-keep-best"
    source = "Prechelt 1998, Early stopping - but when?"
    basis = "paper"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = view.val_loss or view.train_loss
        best = best_of(loss, (finding,))
        if loss is None or best is None:
            return None
        step, value = best.step, short(best.value)
        return self.suggestion(
            summary=f"stop here and keep the checkpoint of step {step:,} ({value})",
            how=f"""
import shutil

# the step with the lowest {quoted(loss.tag)}: {value}
shutil.copy("checkpoints/step_{step}.pt", "best.pt")
""",
            dialect=view.dialect,
            transformers=f"""
# the checkpoint at or next to the step with the lowest {quoted(loss.tag)}: {value}
best = type(model).from_pretrained("out/checkpoint-{step}")
best.save_pretrained("best")
""",
            lightning=f"""
# the checkpoint at or next to step {step}, with the lowest {quoted(loss.tag)}: {value}
best = type(model).load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
""",
            expected="the same result without the cost of the steps that are left",
            risk="one checkpoint can be lucky: compare a few checkpoints around it on the same data",
            verify=loss_is_finite(view, finding),
        )
