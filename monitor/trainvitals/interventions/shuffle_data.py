"""Draw the examples in a new order in every epoch."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView


class ShuffleData(Intervention):
    """Where batches come in the same order in every epoch, or the same few come again and again.

    Each batch should look like the whole. Data that lie sorted by class, length or source, and are not shuffled, pull
    the weights to and fro; an iterator that is made anew in each step gives its first batch for ever.
    """

    name = "shuffle-data"
    source = "Bengio 2012, Practical recommendations for gradient-based training of deep architectures, section 3.1"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="shuffle anew in every epoch, and make the iterator once an epoch, not in each step",
            how="""
loader = torch.utils.data.DataLoader(train_set, batch_size=loader.batch_size, shuffle=True)
for epoch in range(epochs):
    # with a DistributedSampler: sampler.set_epoch(epoch), or every epoch has the same order
    for x, y in loader:  # not: x, y = next(iter(loader)), which is the first batch each time
        ...
# a data set that is streamed: keep a buffer of some thousand examples and draw from it at random
""",
            dialect=view.dialect,
            transformers="""
# The Trainer shuffles what has a length. What is streamed is shuffled here, within a buffer:
train_dataset = train_dataset.shuffle(seed=0)  # streamed: train_dataset.shuffle(seed=0, buffer_size=10_000)
""",
            lightning="""
def train_dataloader(self):  # of your LightningModule or LightningDataModule
    return torch.utils.data.DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)
""",
            expected="the loss of a step no longer depends on its place in the epoch; it falls further",
            risk="reading in random order can be slower than in sequence",
            verify=loss_falls(view, finding),
        )
