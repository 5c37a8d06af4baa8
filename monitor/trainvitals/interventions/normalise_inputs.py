"""Centre and scale the inputs."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import short, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

HOW = """
examples = torch.stack([train_set[index][0] for index in range(min(len(train_set), 5000))])
over = [0, *range(2, examples.dim())]  # every axis but that of the features or channels
mean = examples.mean(dim=over, keepdim=True)
spread = examples.std(dim=over, keepdim=True).clamp_min(1e-6)
"""

USE = """# {0}, and in the same way wherever the model is used:
x = (x - mean) / spread
"""

HOW_LIGHTNING = (
    HOW
    + """
def on_before_batch_transfer(self, batch, dataloader_idx):  # of your LightningModule
    x, y = batch
    return (x - mean) / spread, y
"""
)


class NormaliseInputs(Intervention):
    """Where the inputs lie far from zero or from size one.

    Initialisations assume inputs of mean 0 and spread 1. A common offset makes all examples alike to the first layer
    and the loss far steeper in one direction than in the others.
    """

    name = "normalise-inputs"
    source = "LeCun et al. 1998, Efficient BackProp, section 4.3"
    basis = "paper"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        mean, spread = (view.recorded(tag) for tag in (tags.BATCH_MEAN, tags.BATCH_STD))
        was = ""
        if mean is not None and spread is not None and len(mean) and len(spread):
            was = f"; they have mean {short(float(mean.value[-1]))} and spread {short(float(spread.value[-1]))} now"
        return self.suggestion(
            summary=f"subtract the mean of each feature and divide by its spread{was}",
            how=HOW + USE.format("in the training loop", ""),
            dialect=view.dialect,
            transformers=HOW.replace("train_set", "train_dataset")
            .replace("[index][0]", "[index][name]")
            .replace("examples =", 'name = "pixel_values"  # or what your inputs are called\nexamples ='),
            lightning=HOW_LIGHTNING,
            expected="the first losses are those of a guess, and the loss falls from the first steps on",
            risk="validation needs the values of the training set",
            verify=Verify(tags.BATCH_STD, "finite", 0.0, steps(view)),
        )
