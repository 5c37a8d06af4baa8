"""Check that the optimizer moves what the loss depends on."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

HOW_TRANSFORMERS = """
from transformers import TrainerCallback

class CheckWiring(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, optimizer=None, **kwargs):
        owned = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                print(name, "is frozen")
            elif id(parameter) not in owned:
                print(name, "is not in the optimizer")
            elif parameter.grad is None or not parameter.grad.any():
                print(name, "gets no gradient")
        control.should_training_stop = True

trainer.add_callback(CheckWiring())
trainer.train()
"""

HOW_LIGHTNING = """
def on_before_optimizer_step(self, optimizer):  # of your LightningModule
    owned = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in self.named_parameters():
        if not parameter.requires_grad:
            print(name, "is frozen")
        elif id(parameter) not in owned:
            print(name, "is not in the optimizer")
        elif parameter.grad is None or not parameter.grad.any():
            print(name, "gets no gradient")
    self.trainer.should_stop = True
"""


class CheckWiring(Intervention):
    """Where a loss does not move at all: parameters that the optimizer does not own, that are detached or frozen.

    Typical finds: an optimizer made before the model was replaced, ``detach`` or ``no_grad`` in the forward pass, a
    missing ``optimizer.step()``, labels shuffled apart from their inputs.
    """

    name = "check-wiring"
    source = "TrainCheck (OSDI 2025) and torchmortem: parameters that never change are the most frequent silent fault"
    basis = "documentation"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="check that every parameter has a gradient, belongs to the optimizer and changes",
            how="""
owned = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
x, y = next(iter(loader))
optimizer.zero_grad()
loss_fn(model.train()(x), y).backward()
optimizer.step()
for name, parameter in model.named_parameters():
    if not parameter.requires_grad:
        print(name, "is frozen")
    elif id(parameter) not in owned:
        print(name, "is not in the optimizer")
    elif parameter.grad is None or not parameter.grad.any():
        print(name, "gets no gradient")
    elif torch.equal(parameter, before[name]):
        print(name, "did not change")
""",
            dialect=view.dialect,
            transformers=HOW_TRANSFORMERS,
            lightning=HOW_LIGHTNING,
            expected="a list of the parameters that do not learn; an empty list clears the wiring",
            risk="makes one ordinary training step, or looks at one",
            verify=loss_falls(view, finding),
        )
