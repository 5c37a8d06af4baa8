"""Measure the loss on the same examples every time."""

from __future__ import annotations

from trainvitals import tags
from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import training_arguments
from trainvitals.interventions.values import level_of, loss_of, short, steps
from trainvitals.model import Finding, Suggestion, Verify
from trainvitals.view import RunView

EXAMPLES = 512
"""The differences of the same examples vary far less than the examples do; some hundreds suffice."""

EVALUATIONS = 100


class FixedProbeSet(Intervention):
    """Where noise hides whether the loss still falls.

    Most of the noise of a training loss is that of the batch. The same examples at every evaluation take it out: what
    is compared then is the model with itself. A plateau or slow progress shows with a fraction of the steps.
    """

    name = "fixed-probe-set"
    source = "the method of common random numbers (Glasserman and Yao 1992); paired differences of the same examples"
    basis = "law"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        level = level_of(loss_of(view, finding))
        every = steps(view, 1 / EVALUATIONS)
        noise = "" if level is None else f"; a point of it now has a noise of {short(level.noise)}"
        return self.suggestion(
            summary=f"measure the loss of the same {EXAMPLES} examples every {every:,} steps{noise}",
            how=f"""
from torch.utils.tensorboard import SummaryWriter

same = torch.utils.data.Subset(train_set, range(min({EXAMPLES}, len(train_set))))
probe = torch.utils.data.DataLoader(same, batch_size=64)
writer = SummaryWriter("runs/probe")
# in the loop:
if step % {every} == 0:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        losses = [loss_fn(model(x), y).item() for x, y in probe]
    writer.add_scalar("val/probe/loss", sum(losses) / len(losses), step)
    model.train(was_training)
""",
            dialect=view.dialect,
            transformers=f"""
from transformers import Trainer
{training_arguments(eval_strategy='"steps"', eval_steps=str(every))}
probe = torch.utils.data.Subset(train_dataset, range(min({EXAMPLES}, len(train_dataset))))
trainer = Trainer(model=model, args=args, train_dataset=train_dataset, eval_dataset={{"probe": probe}})
""",
            lightning=f"""
def val_dataloader(self):  # of your LightningModule; Trainer(val_check_interval={every})
    probe = torch.utils.data.Subset(self.train_set, range(min({EXAMPLES}, len(self.train_set))))
    return [torch.utils.data.DataLoader(self.val_set, batch_size=64), torch.utils.data.DataLoader(probe, batch_size=64)]

def validation_step(self, batch, batch_idx, dataloader_idx=0):
    x, y = batch
    self.log("val_loss" if dataloader_idx == 0 else "val/probe/loss", self.loss(self(x), y), add_dataloader_idx=False)
""",
            expected="several times less noise, so that slow progress and a plateau can be told apart",
            risk=f"costs {EXAMPLES} forward passes each time; training examples show learning, not generalising",
            verify=Verify(tags.validation_loss("probe"), "finite", 0.0, every),
        )
