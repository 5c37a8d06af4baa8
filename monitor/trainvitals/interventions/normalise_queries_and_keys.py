"""Normalise queries and keys before their product."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, quoted
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

NAMED_LAYERS = 8


class NormaliseQueriesAndKeys(Intervention):
    """Where attention logits grow or the attention collapses, and the training can start anew.

    Normalised queries and keys have one size, so that the logits are bounded by the learnt gain, whatever the weights
    do. The gain is a scale that the optimizer moves slowly.
    """

    name = "normalise-queries-and-keys"
    source = "Henry et al. 2020, Query-key normalization for transformers; Dehghani et al. 2023 (ViT-22B)"
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        where = ", ".join(quoted(layer) for layer in finding.layers[:NAMED_LAYERS]) or "the layers that attend"
        return self.suggestion(
            summary="a norm on queries and keys of each head (QK-norm), at the next start",
            how=f"""
# in {where}
self.query_norm, self.key_norm = torch.nn.RMSNorm(head_width), torch.nn.RMSNorm(head_width)
query, key = self.query_norm(query), self.key_norm(key)  # before scaled_dot_product_attention
""",
            expected="the largest logits stay below the width of a head times the gain, at rates that broke it before",
            risk="another architecture; a few percent of a step's time",
            verify=loss_falls(view, finding),
        )
