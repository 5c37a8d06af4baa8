"""Find the operation that makes the first NaN."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class AnomalyDetection(Intervention):
    """Where a NaN appears and nobody knows from where.

    Autograd can name the forward operation whose backward made the first NaN. It is slow, so it belongs to the few
    steps around the place, run from the checkpoint before.
    """

    name = "anomaly-detection"
    source = "PyTorch documentation, torch.autograd.set_detect_anomaly"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        where = "" if finding.first_step is None else f" from the checkpoint before step {finding.first_step:,}"
        return self.suggestion(
            summary=f"let autograd name the operation that makes the first NaN{where}",
            how="""
with torch.autograd.set_detect_anomaly(True):
    loss = loss_fn(model(x), y)
    loss.backward()
for name, parameter in model.named_parameters():
    if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
        print("not finite:", name)
""",
            dialect=view.dialect,
            transformers=training_arguments(debug='"underflow_overflow"'),
            lightning=lightning_trainer(detect_anomaly="True"),
            expected="an error whose trace names the operation, if the NaN comes from the backward pass",
            risk="many times slower while it is on",
            verify=loss_is_finite(view, finding),
        )
