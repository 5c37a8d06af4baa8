"""Regularise more strongly."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_falls, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 3.0
CUSTOMARY_DECAY = 0.1
"""What most recipes with AdamW use; taken where the run's settings name none."""

LARGEST_DECAY = 1.0
DROPOUT = 0.1


class MoreRegularisation(Intervention):
    """Where the model learns its training data by heart: validation rises while training falls.

    Weight decay keeps the weights from growing into the details of single examples; dropout keeps units from relying on
    each other.
    """

    name = "more-regularisation"
    source = "Loshchilov and Hutter 2019, Decoupled weight decay regularization; Srivastava et al. 2014, Dropout"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        had = view.run.hyper_parameters.get("weight_decay")
        known = isinstance(had, (int, float)) and not isinstance(had, bool) and 0 < had < LARGEST_DECAY
        decay = min(LARGEST_DECAY, FACTOR * float(had)) if known and had is not None else CUSTOMARY_DECAY
        return self.suggestion(
            summary=f"weight decay {short(decay)} on the matrices, and dropout {DROPOUT} where there is none",
            how=f"""
matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
optimizer = torch.optim.AdamW(
    [{{"params": matrices, "weight_decay": {short(decay)}}}, {{"params": others, "weight_decay": 0.0}}],
    lr=optimizer.param_groups[0]["lr"],
)
for module in model.modules():
    if isinstance(module, torch.nn.Dropout) and module.p == 0:
        module.p = {DROPOUT}
""",
            dialect=view.dialect,
            transformers=training_arguments(weight_decay=short(decay))
            + f"""
for module in model.modules():
    if isinstance(module, torch.nn.Dropout) and module.p == 0:
        module.p = {DROPOUT}
""",
            lightning=configure_optimizers(view, weight_decay=short(decay))
            + f"""
for module in model.modules():  # before trainer.fit(model)
    if isinstance(module, torch.nn.Dropout) and module.p == 0:
        module.p = {DROPOUT}
""",
            expected="training loss falls more slowly, the best validation loss is lower and comes later",
            risk="too much of it makes both losses worse; a new optimizer forgets its state",
            verify=loss_falls(view, finding, 1.0),
        )
