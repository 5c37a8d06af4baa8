"""Lower the learning rate of queries and keys."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite, rate_now, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

FACTOR = 0.3
"""A third, as for a rate that is too high for the whole model."""

CUSTOMARY_RATE = 1e-3


class LowerAttentionRate(Intervention):
    """Where attention logits grow or the attention collapses, while the rest of the model bears its rate.

    The logits are products of two matrices that both grow, so that they are the first to run away. A lower rate for
    these matrices alone slows that down and leaves the rest as it is.
    """

    name = "lower-attention-rate"
    source = "Wortsman et al. 2023, Small-scale proxies for large-scale transformer training instabilities"
    basis = "hypothesis"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        rate = rate_now(view)
        lower = short(FACTOR * (rate or CUSTOMARY_RATE))
        groups = """
words = ("query", "key", "q_proj", "k_proj", "in_proj", "qkv")  # as queries and keys are called in your model
attend = [p for name, p in {model}.named_parameters() if any(word in name for word in words)]
of_attention = {{id(parameter) for parameter in attend}}
others = [parameter for parameter in {model}.parameters() if id(parameter) not in of_attention]
optimizer = torch.optim.AdamW(
    [{{"params": others, "lr": {rate}}}, {{"params": attend, "lr": {lower}}}]
)"""
        plain = groups.format(model="model", rate=short(rate or CUSTOMARY_RATE), lower=lower)
        inside = groups.format(model="self", rate=short(rate or CUSTOMARY_RATE), lower=lower).strip("\n")
        lines = "\n".join(f"    {line}" for line in inside.splitlines())
        return self.suggestion(
            summary=f"lower the learning rate of queries and keys to {lower}, and leave the others",
            how=plain,
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer
{plain}
trainer = Trainer(model=model, args=args, train_dataset=train_dataset, optimizers=(optimizer, None))
""",
            lightning=f"""
def configure_optimizers(self):  # of your LightningModule
{lines}
    return optimizer
""",
            expected="the largest logits grow more slowly, and the loss falls as before",
            risk="a new optimizer forgets its state; too low a rate freezes the attention",
            verify=loss_is_finite(view, finding),
        )
