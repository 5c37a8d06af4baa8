"""Centre and scale the inputs."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import short, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView


class NormaliseInputs(Intervention):
    """Where the inputs lie far from zero or from size one.

    Initialisations assume inputs of mean 0 and spread 1. A common offset makes all examples alike to the first layer
    and the loss far steeper in one direction than in the others.
    """

    name = "normalise-inputs"
    source = "LeCun et al. 1998, Efficient BackProp, section 4.3"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        mean, spread = (view.recorded(tag) for tag in (tags.BATCH_MEAN, tags.BATCH_STD))
        was = ""
        if mean is not None and spread is not None and len(mean) and len(spread):
            was = f"; they have mean {short(float(mean.value[-1]))} and spread {short(float(spread.value[-1]))} now"
        return self.suggestion(
            summary=f"subtract the mean of each feature and divide by its spread{was}",
            how="""
examples = torch.stack([train_set[index][0] for index in range(min(len(train_set), 5000))])
over = [0, *range(2, examples.dim())]  # every axis but that of the features or channels
mean = examples.mean(dim=over, keepdim=True)
spread = examples.std(dim=over, keepdim=True).clamp_min(1e-6)
# in the training loop, and in the same way wherever the model is used:
x = (x - mean) / spread
""",
            expected="the first losses are those of a guess, and the loss falls from the first steps on",
            risk="a model trained without must be trained anew; validation needs the values of the training set",
            verify=Verify(tags.BATCH_STD, "finite", 0.0, steps(view)),
        )
