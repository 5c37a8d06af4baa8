"""Use a smaller batch."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import training_arguments
from trainvitals.interventions.values import batch_size, loss_falls, power_of_two
from trainvitals.model import Finding, Suggestion
from trainvitals.rules.gradients.noise_and_batch import noise_and_batch
from trainvitals.view import RunView

PART = 2
"""Half: a step loses little where the noise scale is a fifth of the batch, and every step costs half."""

LARGEST_PART = 8
"""More at once is not a trial any more."""

STAYS_ABOVE = 2.0
"""Times the noise scale: there, a step still makes two thirds of the best progress."""


class SmallerBatch(Intervention):
    """Where the batch is many times the gradient noise scale: its gradient would be nearly the same with a part of it.

    The rate stays as it is, because without noise it is the curvature that limits it.
    """

    name = "smaller-batch"
    source = "McCandlish et al. 2018, An empirical model of large-batch training, section 2"
    basis = "law"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        noise = noise_and_batch(view)
        room = PART if noise is None else 1 / max(STAYS_ABOVE * noise.ratio, 1e-9)
        part = power_of_two(room, PART, LARGEST_PART)
        size = batch_size(view) if noise is None or noise.batch is None else noise.batch
        becomes = "" if size is None else f", from {size:g} to {max(1, size // part):g} examples"
        per_device = "1" if size is None else f"{max(1, size // part):g}"
        return self.suggestion(
            summary=f"divide the batch by {part} at the same learning rate{becomes}",
            how=f"""
# Where gradients are accumulated, divide the number of batches instead.
loader = torch.utils.data.DataLoader(train_set, batch_size=max(1, loader.batch_size // {part}), shuffle=True)
""",
            dialect=view.dialect,
            transformers=training_arguments(per_device_train_batch_size=per_device),
            lightning=f"""
def train_dataloader(self):  # of your LightningModule or LightningDataModule
    return torch.utils.data.DataLoader(self.train_set, batch_size=max(1, self.batch_size // {part}), shuffle=True)
""",
            expected=f"the loss falls as fast a step, and each step costs a {part}th of the computation"
            if part > PART
            else "the loss falls as fast a step, and each step costs half",
            risk="on many devices a step may take as long as before",
            verify=loss_falls(view, finding, 0.05),
        )
