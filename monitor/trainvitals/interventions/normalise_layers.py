"""Put a norm in front of each activation."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, quoted
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

NAMED_LAYERS = 8


class NormaliseLayers(Intervention):
    """Where activations lie in the flat ends of their functions, die, or grow from layer to layer.

    A norm holds what enters the activation at mean 0 and size 1, whatever the layers before do, so that it stays where
    the activation has a slope.
    """

    name = "normalise-layers"
    source = "Ioffe and Szegedy 2015, Batch normalization; Ba et al. 2016, Layer normalization"
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        where = ", ".join(quoted(layer) for layer in finding.layers[:NAMED_LAYERS])
        return self.suggestion(
            summary="put a layer norm in front of each activation" + (f" after {where}" if where else ""),
            how="""
def with_norms(model):  # for layers in a row; elsewhere put the norm where the layer is called
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, torch.nn.Linear) and layer is not last:
                setattr(parent, name, torch.nn.Sequential(layer, torch.nn.LayerNorm(layer.out_features)))

last = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)][-1]  # the output stays as it is
with_norms(model)  # before the optimizer is made
""",
            expected="the share of saturated or dead units is small from the first steps on, and stays so",
            risk="another architecture; a few percent of a step's time",
            verify=loss_falls(view, finding),
        )
