"""Look at the batches whose loss was out of proportion."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import level_of, loss_is_finite, loss_of, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

TIMES_LEVEL = 5.0
"""Of the present level: what is kept for looking at."""


class LookAtBatches(Intervention):
    """Where single batches stand out: see what they hold before anything is skipped or clipped.

    Typical finds: an image that was not decoded, a feature in another unit, a label of another example, an empty text.
    """

    name = "look-at-batches"
    source = "Karpathy 2019, A recipe for training neural networks: become one with the data"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        level = level_of(loss_of(view, finding))
        bar = "1.0" if level is None else short(max(TIMES_LEVEL * abs(level.value), 1e-6))
        return self.suggestion(
            summary=f"keep the batches whose loss is above {bar}, and look at them",
            how=f"""
# in the loop, after the loss is known:
if loss.item() > {bar}:
    each = torch.nn.functional.cross_entropy(outputs, y, reduction="none")  # or your loss without its mean
    torch.save({{"x": x, "y": y, "loss": each}}, f"odd_batch_{{step}}.pt")
    print(step, each.topk(min(3, len(each))), x.float().mean().item(), x.float().std().item())
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer

class KeepOdd(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        if loss.item() > {bar}:
            torch.save({{**inputs, "loss": loss.item()}}, f"odd_batch_{{self.state.global_step}}.pt")
        return (loss, outputs) if return_outputs else loss
""",
            lightning=f"""
def on_train_batch_end(self, outputs, batch, batch_idx):  # of your LightningModule
    loss = outputs["loss"].item()
    if loss > {bar}:
        torch.save({{"batch": batch, "loss": loss}}, f"odd_batch_{{self.global_step}}.pt")
""",
            expected="a few examples carry nearly all of the loss, and show what is wrong with them",
            risk="reading the loss waits for the device in each step: take it out afterwards",
            verify=loss_is_finite(view, finding),
        )
