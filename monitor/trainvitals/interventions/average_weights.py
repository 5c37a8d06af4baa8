"""Average the weights over many steps."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, steps
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

MEMORY_SHARE = 0.02
"""Of the run that the average remembers: long against the noise of the updates, short against the progress."""

LARGEST_DECAY = 0.9999
"""The longest memory in common use."""


class AverageWeights(Intervention):
    """Where noise keeps the weights moving around the place that they should come to rest at.

    The average of many steps lies closer to it than any of them, as after a decay of the learning rate, while the
    training goes on at its rate. It is the average that is validated and kept.
    """

    name = "average-weights"
    source = "Polyak and Juditsky 1992; Izmailov et al. 2018, Averaging weights leads to wider optima"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        memory = max(10, steps(view, MEMORY_SHARE))
        decay = min(LARGEST_DECAY, 1.0 - 1.0 / memory)
        return self.suggestion(
            summary=f"validate and keep a running average of the weights, over about {memory:,} steps",
            how=f"""
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({decay:.4g}), use_buffers=True)
# after each optimizer.step():
averaged.update_parameters(model)
# validate and save averaged.module in place of model
""",
            dialect=view.dialect,
            transformers=f"""
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import TrainerCallback

class AverageWeights(TrainerCallback):
    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({decay:.4g}), use_buffers=True)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.averaged.update_parameters(model)

averaging = AverageWeights()
trainer.add_callback(averaging)  # afterwards, evaluate and save averaging.averaged.module
""",
            lightning=f"""
from lightning import Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

trainer = Trainer(callbacks=[EMAWeightAveraging(decay={decay:.4g})])  # all else as you have it
""",
            expected="the validation loss of the average lies below that of the last weights and is far less noisy",
            risk="one more copy of the weights in memory",
            verify=loss_falls(view, finding, 0.05),
        )
