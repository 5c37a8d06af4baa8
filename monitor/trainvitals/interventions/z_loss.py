"""Add the square of log Z to the loss."""

from __future__ import annotations

from typing import Literal

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

WEIGHT = 1e-4
"""As in PaLM; 1e-5 is in use too."""

SUCCESS_NATS = 1.0
WITHIN_SHARE = 0.1
"""Of the run: the pull is gentle."""


class ZLoss(Intervention):
    """Where the logits of the output drift away from zero together, or grow.

    Softmax leaves the common level of the logits free. A small penalty on the square of log Z holds it near zero and
    changes the probabilities hardly at all.
    """

    name = "z-loss"
    source = "Chowdhery et al. 2022 (PaLM), section 5; Wortsman et al. 2023, arXiv 2309.14322"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        log_z = view.recorded(tags.OUTPUT_LOG_Z)
        verify = loss_falls(view, finding)
        if log_z is not None and len(log_z.finite()):
            direction: Literal["down", "up"] = "down" if float(log_z.finite().value[-1]) > 0 else "up"
            verify = Verify(tags.OUTPUT_LOG_Z, direction, SUCCESS_NATS, steps(view, WITHIN_SHARE))
        return self.suggestion(
            summary=f"add {WEIGHT:g} times the square of log Z to the loss (z-loss)",
            how=f"""
log_z = torch.logsumexp(logits.float(), dim=-1)
loss = loss + {WEIGHT:g} * log_z.square().mean()
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer

class WithZLoss(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        log_z = torch.logsumexp(outputs["logits"].float(), dim=-1)
        loss = loss + {WEIGHT:g} * log_z.square().mean()
        return (loss, outputs) if return_outputs else loss
""",
            lightning=f"""
def training_step(self, batch, batch_idx):  # of your LightningModule
    x, y = batch
    logits = self(x)
    log_z = torch.logsumexp(logits.float(), dim=-1)
    return self.loss(logits, y) + {WEIGHT:g} * log_z.square().mean()
""",
            expected="log Z moves back towards zero over some hundreds of steps; the loss itself stays what it was",
            risk="next to none at this weight; the logged loss holds the penalty unless it is logged before",
            verify=verify,
        )
