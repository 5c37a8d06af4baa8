"""Start from weights that keep the size of what passes through."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class BetterInitialisation(Intervention):
    """Where signals or gradients shrink or grow from layer to layer, or the first loss is far above chance.

    With the variance that He's rule gives, each layer passes on what it gets at the same size, forwards and backwards.
    A last layer that starts at zero makes the first loss that of guessing.
    """

    name = "better-initialisation"
    source = "Glorot and Bengio 2010; He et al. 2015, Delving deep into rectifiers"
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="initialise with He's rule, biases at zero",
            how="""
def initialise(module):
    if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)):
        torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)

model.apply(initialise)
""",
            expected="activations and gradients of all layers lie within a factor of ten at the first step",
            risk="pretrained weights would be lost",
            verify=loss_falls(view, finding, 0.1),
        )
