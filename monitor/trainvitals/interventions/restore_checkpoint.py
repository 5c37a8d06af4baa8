"""Go back to the last good checkpoint."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import best_step, loss_falls, loss_is_finite, loss_of
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class RestoreCheckpoint(Intervention):
    """Where the weights are worse than they were: after divergence, a NaN, or the best validation loss.

    Damaged weights rarely recover by themselves, and overfitted ones never. For overfitting the good step is that of
    the best validation loss; for everything else it is the last one before the trouble began.
    """

    name = "restore-checkpoint"
    source = "Prechelt 1998, Early stopping - but when?; Chowdhery et al. 2022 (PaLM) for rewinding after spikes"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        loss = loss_of(view, finding)
        step = finding.first_step
        if step is None and loss is not None and len(loss):
            step = best_step(loss)
        if step is None:
            return None
        overfitted = finding.name == "overfitting"
        when = "at" if overfitted else "before"
        return self.suggestion(
            summary=f"restore the last checkpoint {when} step {step:,}",
            how=f"""
checkpoint = torch.load("checkpoint.pt", map_location="cpu")  # the last one {when} step {step}
model.load_state_dict(checkpoint["model"])
optimizer.load_state_dict(checkpoint["optimizer"])
""",
            expected="the loss is back at the level of that step"
            + ("" if overfitted else "; without another change the same trouble can come back at the same place"),
            risk="what was learnt after that step is lost; keep the present checkpoint until you are sure",
            verify=loss_falls(view, finding) if overfitted else loss_is_finite(view, finding),
        )
