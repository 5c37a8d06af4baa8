"""Look at the labels that a trained model is sure are others."""

from __future__ import annotations

import numpy as np

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

LOOKED_AT = 100
SHOWN = 12
LATE_SHARE = 1 / 3
"""Of the evaluations of the probe set: what the loss of an example is the mean of."""


class CheckLabels(Intervention):
    """Where a part of the labels disagrees with all that the model has learnt from the others.

    A person looks at the examples with the largest loss: wrong ones are corrected or left out, right ones are hard
    and worth keeping. Correcting labels lowers the floor of the loss; no setting of the optimizer does.
    """

    name = "check-labels"
    source = "Northcutt et al. 2021, Confident learning; Northcutt et al. 2021, Pervasive label errors in test sets"
    basis = "paper"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        worst = _worst_of_probe_set(view)
        known = f"# of the probe set look at examples {', '.join(worst)} first\n" if worst else ""
        return self.suggestion(
            summary=f"look at the {LOOKED_AT} examples whose labels the model believes least",
            how=f"""
{known}model.eval()
with torch.no_grad():
    each = [torch.nn.functional.cross_entropy(model(x), y, reduction="none") for x, y in loader]  # made without shuffle
each = torch.cat(each)
print(each.topk(min({LOOKED_AT}, len(each))))  # values and places in the data: correct the label, or leave it out
model.train()
""",
            dialect=view.dialect,
            transformers=f"""
{known}found = trainer.predict(train_dataset)
logits, labels = torch.tensor(found.predictions), torch.tensor(found.label_ids)
each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
print(each.topk(min({LOOKED_AT}, len(each))))  # values and places in the data: correct the label, or leave it out
""",
            lightning=f"""
{known}model.eval()
batches = torch.utils.data.DataLoader(train_set, batch_size=64)
with torch.no_grad():
    each = [torch.nn.functional.cross_entropy(model(x), y, reduction="none") for x, y in batches]
each = torch.cat(each)
print(each.topk(min({LOOKED_AT}, len(each))))  # values and places in the data: correct the label, or leave it out
""",
            expected="a large part of these labels is wrong; with them corrected the loss falls below its floor",
            risk="hard examples look the same: whoever leaves them out unseen makes the task easier and no data better",
            verify=loss_falls(view, finding, 1.0),
        )


def _worst_of_probe_set(view: RunView) -> tuple[str, ...]:
    """Numbers of the examples of the probe set with the largest loss of late."""
    losses = view.layers("probe_set_example_loss")
    if losses is None or not len(losses):
        return ()
    late = np.nanmean(losses.value[-max(1, round(LATE_SHARE * len(losses))) :], axis=0)
    order = np.argsort(-np.nan_to_num(late, nan=-np.inf))[:SHOWN]
    return tuple(losses.layers[index] for index in order if losses.layers[index].isdecimal())
