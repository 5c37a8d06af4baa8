"""Look at what goes into the loss."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

LINE = """values = tensor.detach().double()
{0}print(
{0}    f"{{name}}: {{tuple(tensor.shape)}} {{tensor.dtype}}",
{0}    f"from {{values.min().item():.4g}} to {{values.max().item():.4g}}, mean {{values.mean().item():.4g}},",
{0}    f"{{int((~torch.isfinite(values)).sum())}} not finite",
{0})"""

HOW = f"""
x, y = next(iter(loader))
with torch.no_grad():
    outputs = model(x)
for name, tensor in {{"inputs": x, "targets": y, "outputs": outputs}}.items():
    {LINE.format("    ")}
"""

HOW_TRANSFORMERS = f"""
device = next(trainer.model.parameters()).device
batch = {{name: tensor.to(device) for name, tensor in next(iter(trainer.get_train_dataloader())).items()}}
with torch.no_grad():
    outputs = trainer.model(**batch)
for name, tensor in {{**batch, "logits": outputs["logits"]}}.items():
    {LINE.format("    ")}
"""

HOW_LIGHTNING = f"""
def on_train_batch_start(self, batch, batch_idx):  # of your LightningModule
    if batch_idx > 0:
        return
    x, y = batch
    with torch.no_grad():
        outputs = self(x)
    for name, tensor in {{"inputs": x, "targets": y, "outputs": outputs}}.items():
        {LINE.format("        ")}
"""


class CheckLossInputs(Intervention):
    """Where the loss is not finite, or never moves: the numbers that enter it may be wrong.

    Typical finds: probabilities where logits are expected, a logarithm of zero, a mean over no element, labels out of
    range, inputs with NaN or in the range 0 to 255, a mask that hides everything.
    """

    name = "check-loss-inputs"
    source = "Karpathy 2019, A recipe for training neural networks; umlaut (CHI 2021) for the list of usual mistakes"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        where = "" if finding.first_step is None else f"around step {finding.first_step:,}"
        return self.suggestion(
            summary=f"look at the range of inputs, targets and outputs {where}".strip(),
            how=HOW,
            dialect=view.dialect,
            transformers=HOW_TRANSFORMERS,
            lightning=HOW_LIGHTNING,
            expected="one of the three is not what the loss function expects, or all are and the fault lies elsewhere",
            risk="none",
            verify=loss_is_finite(view, finding),
        )
