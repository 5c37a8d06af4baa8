"""Lower the weight decay."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_falls, peak_rate, setting, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

MEMORY_SHARE = 1 / 3
"""Of the run that weights shall remember; the best of the published sweeps lie between a tenth and the whole."""

FACTOR = 0.01
"""Where the rate is not known, and at most."""

UNKNOWN = FACTOR * 0.01
"""A hundredth of AdamW's default, where the run's decay was not logged."""


class LowerWeightDecay(Intervention):
    """Where decay pulls the weights to zero faster than gradients push them away.

    Decay times learning rate is the share of the weights that goes in each step. Its inverse is how many steps they
    remember, which should be a good part of the run.
    """

    name = "lower-weight-decay"
    source = "Wang and Aitchison 2024, How to set AdamW's weight decay as you scale model and dataset size"
    basis = "law"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        had, momentum = setting(view.run, "weight_decay"), setting(view.run, "momentum") or 0.0
        peak = peak_rate(view)
        if had is None or had <= 0:
            new, target, words = f"*= {FACTOR}", short(UNKNOWN), "to a hundredth"
        else:
            lower = FACTOR * had
            if peak is not None and 0 <= momentum < 1:
                lower = min(lower, (1.0 - momentum) / (peak * MEMORY_SHARE * view.span_steps))
            new, target = f"= {short(lower)}  # it was {short(had)}", short(lower)
            words = f"to {target}"
        return self.suggestion(
            summary=f"lower the weight decay {words}",
            how=f"""
for group in optimizer.param_groups:
    if group.get("weight_decay"):
        group["weight_decay"] {new}
""",
            dialect=view.dialect,
            transformers=training_arguments(weight_decay=target) + FROM_WEIGHTS,
            lightning=configure_optimizers(view, weight_decay=target) + FROM_WEIGHTS,
            expected="the norms of the weights grow again, and the loss falls",
            risk="weights that have shrunk to nearly zero may need a fresh start",
            verify=loss_falls(view, finding, share=0.05),
        )
