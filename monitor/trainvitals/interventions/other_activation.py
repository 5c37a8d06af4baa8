"""Use an activation that cannot get stuck."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class OtherActivation(Intervention):
    """Where units die (ReLU) or sit in the flat ends of their activation (sigmoid, tanh).

    Leaky ReLU has a slope everywhere, GELU nearly so; neither flattens out on the positive side.
    """

    name = "other-activation"
    source = "Maas et al. 2013, Rectifier nonlinearities; Hendrycks and Gimpel 2016, Gaussian error linear units"
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="replace ReLU by leaky ReLU, and sigmoid or tanh between layers by GELU",
            how="""
for parent in list(model.modules()):
    for name, layer in list(parent.named_children()):
        if isinstance(layer, torch.nn.ReLU):
            setattr(parent, name, torch.nn.LeakyReLU(0.01))
        elif isinstance(layer, (torch.nn.Sigmoid, torch.nn.Tanh)):  # not an output that must lie within limits
            setattr(parent, name, torch.nn.GELU())
""",
            expected="every unit gets a gradient, and the layers in front of them learn again",
            risk="weights trained with the old activation do not fit the new one",
            verify=loss_falls(view, finding),
        )
