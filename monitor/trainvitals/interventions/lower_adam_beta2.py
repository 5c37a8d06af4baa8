"""Let Adam forget old gradients sooner."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import FROM_WEIGHTS, configure_optimizers, training_arguments
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

BETA2 = 0.95
"""What most recipes for large language models use instead of 0.999; the memory is 20 steps instead of 1000."""

WITHOUT_BETAS = ("sgd", "rmsprop", "adagrad", "adafactor", "lion")


class LowerAdamBeta2(Intervention):
    """Where spikes or divergence follow quiet stretches, under Adam.

    Adam divides by its memory of the gradient's size. After a quiet stretch that memory is too small for the next large
    gradient, and the update is too long. A shorter memory follows sooner.
    """

    name = "lower-adam-beta2"
    source = "Molybog et al. 2023, A theory on Adam instability in large-scale machine learning"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        named = " ".join(
            str(value).casefold() for key, value in view.run.hyper_parameters.items() if "optim" in str(key).casefold()
        )
        if any(word in named for word in WITHOUT_BETAS):
            return None
        return self.suggestion(
            summary=f"lower Adam's second beta to {BETA2}",
            how=f"""
for group in optimizer.param_groups:
    if "betas" in group:
        group["betas"] = (group["betas"][0], {BETA2})
""",
            dialect=view.dialect,
            transformers=training_arguments(adam_beta2=str(BETA2)) + FROM_WEIGHTS,
            lightning=configure_optimizers(view, betas=f"(0.9, {BETA2})") + FROM_WEIGHTS,
            expected="fewer and lower spikes; the level of the loss stays",
            risk="updates become a little noisier, which matters with small batches",
            verify=loss_is_finite(view, finding),
        )
