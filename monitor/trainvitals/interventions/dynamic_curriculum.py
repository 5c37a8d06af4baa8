"""Show the examples from which the model can learn most now."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import level_of, loss_falls, loss_of, short
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

LOWEST, HIGHEST = 0.5, 2.0
"""Times the present loss. Below it an example is learnt; far above it, it is often mislabelled or beyond reach."""


class DynamicCurriculum(Intervention):
    """Where most examples are learnt and a few are beyond reach: a flat loss whose level varies widely by example.

    Batches are drawn by each example's latest loss: most from those near the present level, few from those already
    learnt or hopeless. The weights follow the model, so the order adapts as it learns.
    """

    name = "dynamic-curriculum"
    source = "Mindermann et al. 2022, Prioritized training on points that are learnable, worth learning, not yet learnt"
    basis = "hypothesis"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        level = level_of(loss_of(view, finding))
        if level is None or level.value <= 0:
            return None
        low, high = LOWEST * level.value, HIGHEST * level.value
        return self.suggestion(
            summary=f"draw most batches from examples with a loss between {short(low)} and {short(high)}",
            how=f"""
# example_loss[i] is the latest loss of training example i (reduction="none"), start with the present level
example_loss = torch.full((len(train_set),), {short(level.value)})
in_reach = (example_loss > {short(low)}) & (example_loss < {short(high)})
weights = torch.where(in_reach, 1.0, 0.2)  # nothing is left out altogether
sampler = torch.utils.data.WeightedRandomSampler(weights, num_samples=len(weights))
loader = torch.utils.data.DataLoader(train_set, batch_size=loader.batch_size, sampler=sampler)
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer

class InReach(Trainer):
    # self.example_loss[i] is the latest loss of training example i; it starts at the present level
    example_loss = torch.full((len(train_dataset),), {short(level.value)})

    def _get_train_sampler(self, *args):
        in_reach = (self.example_loss > {short(low)}) & (self.example_loss < {short(high)})
        weights = torch.where(in_reach, 1.0, 0.2)  # nothing is left out altogether
        return torch.utils.data.WeightedRandomSampler(weights, num_samples=len(weights))
""",
            lightning=f"""
def train_dataloader(self):  # of your LightningModule; Trainer(reload_dataloaders_every_n_epochs=1) asks anew
    # self.example_loss[i] is the latest loss of training example i; start it at {short(level.value)}
    in_reach = (self.example_loss > {short(low)}) & (self.example_loss < {short(high)})
    weights = torch.where(in_reach, 1.0, 0.2)  # nothing is left out altogether
    sampler = torch.utils.data.WeightedRandomSampler(weights, num_samples=len(weights))
    return torch.utils.data.DataLoader(self.train_set, batch_size=self.batch_size, sampler=sampler)
""",
            expected="the validation loss falls again; the training loss is no longer comparable with before",
            risk="the model sees other data than it is tested on: judge by validation, and end with uniform batches",
            verify=loss_falls(view, finding, 0.1),
        )
