"""Mix some of the old data into the new."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import level_of, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import LossCurve, RunView

REPLAY_SHARE = 0.05
"""Of every batch: 1 to 5 % keep most of what was known under a mild shift; a strong one takes up to 25 %."""


class ReplayOldData(Intervention):
    """Where a model trained further on new data forgets the old: one suite gets worse while another gets better.

    A few old examples in every batch keep the loss on them down at little cost for the new.
    """

    name = "replay-old-data"
    source = "Ibrahim et al. 2024, Simple and scalable strategies to continually pre-train large language models"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:  # noqa: ARG002
        if len(view.val_losses) < 2:
            return None
        forgotten = max(view.val_losses.values(), key=_rise)
        level = level_of(forgotten)
        if level is None or _rise(forgotten) <= 0:
            return None
        return self.suggestion(
            summary=f"replay {REPLAY_SHARE:.0%} of old data in every batch",
            how=f"""
mixed = torch.utils.data.ConcatDataset([new_data, old_data])
weights = [{1 - REPLAY_SHARE} / len(new_data)] * len(new_data) + [{REPLAY_SHARE} / len(old_data)] * len(old_data)
sampler = torch.utils.data.WeightedRandomSampler(weights, num_samples=len(new_data))
loader = torch.utils.data.DataLoader(mixed, batch_size=loader.batch_size, sampler=sampler)
""",
            dialect=view.dialect,
            transformers=f"""
from datasets import interleave_datasets

train_dataset = interleave_datasets(
    [new_data, old_data], probabilities=[{1 - REPLAY_SHARE}, {REPLAY_SHARE}], seed=0, stopping_strategy="all_exhausted"
)
""",
            lightning=f"""
def train_dataloader(self):  # of your LightningModule or LightningDataModule
    mixed = torch.utils.data.ConcatDataset([self.new_data, self.old_data])
    new, old = len(self.new_data), len(self.old_data)
    weights = [{1 - REPLAY_SHARE} / new] * new + [{REPLAY_SHARE} / old] * old
    sampler = torch.utils.data.WeightedRandomSampler(weights, num_samples=new)
    return torch.utils.data.DataLoader(mixed, batch_size=self.batch_size, sampler=sampler)
""",
            expected="the loss on the old data stops rising and comes back; the new is learnt slightly more slowly",
            risk="costs its share of every batch",
            verify=Verify(forgotten.tag, "down", level.visible_change, steps(view, 0.1)),
        )


def _rise(loss: LossCurve) -> float:
    """From the best to the last value, as a share of the best; 0 where there is no positive best."""
    if len(loss) == 0 or not float(loss.curve.value.min()) > 0:
        return 0.0
    return float(loss.curve.value[-1]) / float(loss.curve.value.min()) - 1.0
