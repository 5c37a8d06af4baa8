"""Lower Adam's epsilon."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

CUSTOMARY = 1e-8
"""The default of Adam, from the paper on."""

FACTOR = 1e-3
"""Where epsilon is at its default already, gradients are smaller still."""


class LowerAdamEpsilon(Intervention):
    """Where epsilon outweighs the root of Adam's second moment in most weights.

    Epsilon is there to avoid a division by zero. Where it is larger than the gradient, it takes away what Adam is for:
    steps whose length does not depend on the scale of the gradient.
    """

    name = "lower-adam-epsilon"
    source = "Wortsman et al. 2023, Small-scale proxies for large-scale transformer training instabilities, section 3.4"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        noted = view.run.hyper_parameters.get("eps")
        had = float(noted) if isinstance(noted, int | float) and not isinstance(noted, bool) else 0.0
        target = FACTOR * had if 0 < had <= CUSTOMARY else CUSTOMARY
        was = f"  # it was {had:g}" if had > 0 else ""
        return self.suggestion(
            summary=f"lower Adam's epsilon to {target:g}",
            how=f"""
for group in optimizer.param_groups:
    group["eps"] = {target:g}{was}
""",
            dialect=view.dialect,
            transformers=training_arguments(adam_epsilon=f"{target:g}") + FROM_WEIGHTS,
            lightning=configure_optimizers(view, eps=f"{target:g}") + FROM_WEIGHTS,
            expected="updates grow to about the learning rate in every weight, and the loss falls",
            risk="updates grow at once by the share that epsilon took: warm the rate up again",
            verify=loss_falls(view, finding),
        )
