"""Stop, and keep the best checkpoint."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import best_step, loss_is_finite, quoted, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class StopAndKeepBest(Intervention):
    """Where going on costs more than it brings: a converged run, a schedule that has ended, a flat loss.

    The cheapest intervention of all. The best step is that of the smallest validation loss, or training loss where
    nothing was validated.
    """

    name = "stop-and-keep-best"
    source = "Prechelt 1998, Early stopping - but when?"
    basis = "paper"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = view.val_loss or view.train_loss
        if loss is None or len(loss) == 0:
            return None
        step = best_step(loss)
        value = short(float(loss.curve.value.min()))
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
            risk="a single lowest value can be luck: compare a few checkpoints around it on the same data",
            verify=loss_is_finite(view, finding),
        )
