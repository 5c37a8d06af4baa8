"""Scale queries and keys back where their logits have become too large."""

from __future__ import annotations

import math

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, quoted, short, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

LIMIT = 100.0
"""Of the largest logit: that of the Kimi K2 report."""

NAMED_LAYERS = 8


class ClipQueriesAndKeys(Intervention):
    """Where attention logits have grown large, or the attention has collapsed with them.

    The logits are products of queries and keys. Scaling the weights of both by the root of limit over largest logit
    brings them back to the limit at once, and changes nothing where they are below it.
    """

    name = "clip-queries-and-keys"
    source = "Kimi K2 technical report, 2025 (QK-clip)"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        prefix = tags.per_layer("attention_logit_max", "")
        signal = next((signal for signal in finding.signals if signal.startswith(prefix)), None)
        largest = None if signal is None or signal not in view.run.series else _late(view, signal)
        where = ", ".join(quoted(layer) for layer in finding.layers[:NAMED_LAYERS]) or "the layers that attend"
        now = "" if largest is None else f", which is {short(math.sqrt(LIMIT / largest))} now"
        verify = loss_falls(view, finding)
        if signal is not None and largest is not None:
            verify = Verify(signal, "down", largest - LIMIT, steps(view))
        return self.suggestion(
            summary=f"scale queries and keys back so that no logit exceeds {LIMIT:g}",
            how=f"""
@torch.no_grad()
def clip_queries_and_keys(query_weight, key_weight, largest_logit):  # after each optimizer.step()
    factor = min(1.0, {LIMIT:g} / largest_logit) ** 0.5{"  # the root of limit over logit" + now}
    query_weight.mul_(factor)
    key_weight.mul_(factor)

# of {where}
""",
            expected="the largest logits are at the limit at once, and the entropy rises where they were beyond it",
            risk="the attention changes at once where the limit is exceeded, and nothing else does",
            verify=verify,
        )


def _late(view: RunView, signal: str) -> float | None:
    """The last finite logit, if it is above the limit."""
    value = view.series(signal).finite().value
    return float(value[-1]) if len(value) and float(value[-1]) > LIMIT else None
