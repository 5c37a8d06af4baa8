"""Hand the optimizer the parameters that it lacks."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import CUSTOMARY_RATE, configure_optimizers
from trainvitals.interventions.values import optimizer_name, rate_now, short, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView


class OwnAllParameters(Intervention):
    """Where parameters that may be trained are in no optimizer.

    An optimizer keeps the parameters that it was given. Layers that are made, replaced or unfrozen later have to be
    handed to it; those that are to stay as they are should say so, which also saves their gradients.
    """

    name = "own-all-parameters"
    source = "PyTorch documentation of torch.optim.Optimizer.add_param_group"
    basis = "documentation"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        counted = view.recorded(tags.UNOWNED_PARAMETERS)
        missing = 1.0 if counted is None or not len(counted) else max(float(counted.value[-1]), 1.0)
        return self.suggestion(
            summary="add the missing parameters to the optimizer, or freeze them",
            how="""
owned = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
missing = [p for p in model.parameters() if p.requires_grad and id(p) not in owned]
optimizer.add_param_group({"params": missing})
# Or, if they are to stay as they are:
# for parameter in missing: parameter.requires_grad_(False)
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer

optimizer = torch.optim.{optimizer_name(view)}(model.parameters(), lr={short(rate_now(view) or CUSTOMARY_RATE)})
trainer = Trainer(model=model, args=args, train_dataset=train_dataset, optimizers=(optimizer, None))
""",
            lightning=configure_optimizers(view),
            expected="no parameter is without an optimizer, and the layers that stood still begin to move",
            risk="a scheduler made before does not know the new group: make it anew",
            verify=Verify(tags.UNOWNED_PARAMETERS, "down", missing, steps(view)),
        )
