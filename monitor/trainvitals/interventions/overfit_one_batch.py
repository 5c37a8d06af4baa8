"""Try to overfit one batch."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import level_of, loss_of, rate_now, short
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

STEPS = 300
"""Enough for any model to learn a single batch by heart, and done within a minute or so."""

DEFAULT_RATE = 1e-3
"""Adam's default, taken where the run logged no rate."""


class OverfitOneBatch(Intervention):
    """Where a loss does not fall: is the fault in the code, or in the data and the settings?

    A model that cannot learn one batch by heart is wired wrongly. If it can, the wiring is right.
    """

    name = "overfit-one-batch"
    source = "Karpathy 2019, A recipe for training neural networks"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        level = level_of(loss_of(view, finding))
        rate = rate_now(view) or DEFAULT_RATE
        verify = (
            Verify(tags.TRAIN_LOSS, "finite", 0.0, STEPS)
            if level is None
            else Verify(level.tag, "down", 0.9 * abs(level.value), STEPS)
        )
        return self.suggestion(
            summary=f"train on a single batch for {STEPS} steps: its loss must come close to zero",
            how=f"""
import copy

trial = copy.deepcopy(model).train()
trial_optimizer = torch.optim.Adam(trial.parameters(), lr={short(rate)})
x, y = next(iter(loader))
for step in range({STEPS}):
    trial_optimizer.zero_grad()
    loss = loss_fn(trial(x), y)
    loss.backward()
    trial_optimizer.step()
    if step % 30 == 0:
        print(step, loss.item())
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer, TrainingArguments

few = torch.utils.data.Subset(train_dataset, range(8))
args = TrainingArguments(
    output_dir="one_batch", max_steps={STEPS}, per_device_train_batch_size=8, logging_steps=30,
    learning_rate={short(rate)}, lr_scheduler_type="constant", weight_decay=0.0,
)
Trainer(model=copy.deepcopy(model), args=args, train_dataset=few).train()  # as you make yours, but for these
""".replace("from transformers", "import copy\n\nfrom transformers", 1),
            lightning=f"""
import copy

from lightning import Trainer

trial = Trainer(overfit_batches=1, max_steps={STEPS}, log_every_n_steps=30)
trial.fit(copy.deepcopy(model), loader)  # or your datamodule
""",
            expected="the loss of the batch falls by 90 % and more; if it does not, check the wiring",
            risk="none: the model is a copy",
            verify=verify,
        )
