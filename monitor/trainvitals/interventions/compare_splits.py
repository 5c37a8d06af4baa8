"""Validate on training data in the same way."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

EXAMPLES = 512
"""The mean loss of some hundreds is known to a twentieth of its spread."""


class CompareSplits(Intervention):
    """Where training and validation loss are apart for a reason that the log does not show.

    Training examples that are evaluated by the validation code leave one difference only: the data. If their loss is
    that of training, the validation data are others; if it is that of validation, the code measures in another way.
    """

    name = "compare-splits"
    source = "Ng, Machine learning yearning, chapter 40: a set of training data that is only evaluated"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary=f"evaluate {EXAMPLES} training examples with the validation code, and both batches' statistics",
            how=f"""
chosen = torch.randperm(len(train_set))[:{EXAMPLES}].tolist()
of_training = torch.utils.data.DataLoader(torch.utils.data.Subset(train_set, chosen), batch_size=64)
was_training = model.training
model.eval()
with torch.no_grad():
    for name, loader in (("training", of_training), ("validation", val_loader)):
        losses = [loss_fn(model(x), y).item() for x, y in loader]
        x, y = next(iter(loader))
        print(name, "loss", sum(losses) / len(losses), "input", x.float().mean().item(), x.float().std().item())
model.train(was_training)
""",
            dialect=view.dialect,
            transformers=f"""
chosen = torch.utils.data.Subset(train_dataset, torch.randperm(len(train_dataset))[:{EXAMPLES}].tolist())
print(trainer.evaluate(chosen, metric_key_prefix="eval_training_examples"))
print(trainer.evaluate())
""",
            lightning=f"""
chosen = torch.randperm(len(train_set))[:{EXAMPLES}].tolist()
of_training = torch.utils.data.DataLoader(torch.utils.data.Subset(train_set, chosen), batch_size=64)
print(trainer.validate(model, of_training), trainer.validate(model))
""",
            expected="equal statistics and losses where the data are alike; what differs names the cause",
            risk="none",
            verify=loss_is_finite(view, finding),
        )
