"""Prepare the next batches while the present one is trained on."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import training_arguments
from trainvitals.interventions.values import steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

WORTHWHILE_SHARE = 0.5
"""Of the wait: what at least should go away."""


class FeedDataFaster(Intervention):
    """Where a training waits for its data.

    Worker processes prepare batches ahead of time; pinned memory lets them travel while the accelerator computes. What
    is done anew in every epoch (decoding, tokenising, resizing) can be done once.
    """

    name = "feed-data-faster"
    source = "PyTorch performance tuning guide; Mohan et al. 2021, Analyzing and mitigating data stalls in DNN training"
    basis = "documentation"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        wait = view.recorded(tags.DATA_TIME_S)
        now_s = next((item.value for item in finding.evidence if item.signal == tags.DATA_TIME_S), None)
        size_s = 1e-3
        if wait is not None and len(wait) and now_s is not None:
            late = wait.take(wait.step >= (finding.first_step or 0)).finite().value
            size_s = WORTHWHILE_SHARE * float(sorted(late)[len(late) // 2]) if len(late) else size_s
        return self.suggestion(
            summary="load the data with several workers, ahead of time",
            how="""
loader = torch.utils.data.DataLoader(
    train_set,
    batch_size=loader.batch_size,
    shuffle=True,
    num_workers=4,  # double it until the wait stops falling; no more than there are cores
    prefetch_factor=4,
    persistent_workers=True,
    pin_memory=True,
)
# in the loop:
x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
""",
            dialect=view.dialect,
            transformers=training_arguments(
                dataloader_num_workers="4",
                dataloader_prefetch_factor="4",
                dataloader_persistent_workers="True",
                dataloader_pin_memory="True",
            ),
            lightning="""
def train_dataloader(self):  # of your LightningModule or LightningDataModule
    return torch.utils.data.DataLoader(
        self.train_set,
        batch_size=self.batch_size,
        shuffle=True,
        num_workers=4,  # double it until the wait stops falling; no more than there are cores
        prefetch_factor=4,
        persistent_workers=True,
        pin_memory=True,
    )
""",
            expected="the wait shrinks nearly in proportion to the workers, until the disk or the cores are busy",
            risk="each worker holds a copy of what the data set keeps in memory",
            verify=Verify(tags.DATA_TIME_S, "down", max(size_s, 1e-6), steps(view)),
        )
