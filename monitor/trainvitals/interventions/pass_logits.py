"""Feed the loss with what it expects."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class PassLogits(Intervention):
    """Where a model puts out probabilities and the loss takes them for logits.

    `CrossEntropyLoss` applies a softmax of its own. A second one before it squeezes the logits into 0 to 1, so that the
    loss has a floor and hardly a gradient.
    """

    name = "pass-logits"
    source = "documentation of torch.nn.CrossEntropyLoss, which expects unnormalised logits"
    basis = "documentation"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="take the softmax out of the model and give the loss its logits",
            how="""
# Either the model ends before its softmax, and the loss is what it is:
model = torch.nn.Sequential(*[part for part in model.children() if not isinstance(part, torch.nn.Softmax)])
loss = torch.nn.functional.cross_entropy(model(x), y)
# or the model stays, and the loss takes probabilities:
loss = torch.nn.functional.nll_loss(model(x).clamp_min(1e-8).log(), y)
""",
            expected="the loss falls below its former floor within some hundred steps",
            risk="gradients become larger: the rate may need to be lowered; who needs probabilities applies softmax",
            verify=loss_falls(view, finding),
        )
