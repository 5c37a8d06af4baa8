"""Train on more, and more varied, data."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class MoreData(Intervention):
    """Where the training data is exhausted: overfitting, repeated data, little diversity.

    Nothing regularises like examples that were not seen before. Variety counts, not only number: up to about four
    repetitions are worth almost as much as new data, further ones hardly anything.
    """

    name = "more-data"
    source = "Muennighoff et al. 2023, Scaling data-constrained language models"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="add data that differs from what was seen, or vary what there is at random",
            how="""
train_set = torch.utils.data.ConcatDataset([train_set, more_data])
loader = torch.utils.data.DataLoader(train_set, batch_size=loader.batch_size, shuffle=True)

def vary(x):  # for numbers; crop, flip or paraphrase where the task allows it
    return x + 0.05 * x.std() * torch.randn_like(x)
""",
            dialect=view.dialect,
            transformers="""
from datasets import concatenate_datasets

train_dataset = concatenate_datasets([train_dataset, more_data]).shuffle(seed=0)
""",
            lightning="""
def train_dataloader(self):  # of your LightningModule or LightningDataModule
    train_set = torch.utils.data.ConcatDataset([self.train_set, self.more_data])
    return torch.utils.data.DataLoader(train_set, batch_size=self.batch_size, shuffle=True)
""",
            expected="the validation loss goes on falling after the step where it turned",
            risk="data of another kind can cost accuracy on the old: keep one validation suite for each kind",
            verify=loss_falls(view, finding, 1.0),
        )
