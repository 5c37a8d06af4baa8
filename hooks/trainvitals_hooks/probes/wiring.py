"""Parameters that cannot learn because of how the loop is put together, and modules left in evaluation mode.

All of it is known on the host; nothing is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from trainvitals import tags
from trainvitals_hooks.looking.parameters import plain_name
from trainvitals_hooks.looking.wiring_marks import WiringMarks
from trainvitals_hooks.probes.probe import Context, Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.nn import Parameter
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.recording.reading import Measured


class Wiring(Probe):
    """Counts for each optimizer; the names stand in ``event/wiring`` when they change."""

    name = "wiring"
    writes = (tags.UNOWNED_PARAMETERS, tags.NO_GRADIENT, tags.EVAL_MODE, tags.MODEL_IN_EVAL_MODE)

    def __init__(self, model: nn.Module, owners: Owners, marks: WiringMarks) -> None:
        self._model = model
        self._owners = owners
        self._marks = marks
        self._parameters = [(plain_name(name), parameter) for name, parameter in model.named_parameters()]
        self._owned: list[tuple[Parameter, ...]] = []
        self._unowned: list[tuple[str, Parameter]] = []
        self._modal = [(plain_name(name), module) for name, module in model.named_modules() if _has_modes(module)]

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.owners, WiringMarks(context.mark))

    def after_update(self, optimizer: Optimizer) -> Sequence[Measured]:
        owned = self._owners.of(optimizer)
        no_gradient = [
            name
            for name, parameter in zip(owned.named, owned.parameters, strict=True)
            if parameter.grad is None and parameter.requires_grad
        ]
        several = len(self._owners) > 1
        self._marks.tell(f"optimizer{owned.number}/no_gradient" if several else "no_gradient", no_gradient)
        tag = tags.of_optimizer(tags.NO_GRADIENT, owned.number) if several else tags.NO_GRADIENT
        return [{tag: float(len(no_gradient))} | self._of_model()]

    def _of_model(self) -> dict[str, float]:
        unowned = self._unowned_now()
        in_evaluation = [name for name, module in self._modal if not module.training]
        self._marks.tell("unowned", unowned)
        self._marks.tell("eval_mode", in_evaluation)
        numbers = {
            tags.UNOWNED_PARAMETERS: float(len(unowned)),
            tags.MODEL_IN_EVAL_MODE: float(not self._model.training),
        }
        if self._modal:
            numbers[tags.EVAL_MODE] = len(in_evaluation) / len(self._modal)
        return numbers

    def _unowned_now(self) -> list[str]:
        """Looked up again where an optimizer got parameters, as happens when layers are unfrozen one by one."""
        owned = [owned.parameters for owned in self._owners]
        # By identity: to compare parameters would compare their elements.
        if [id(parameters) for parameters in owned] != [id(parameters) for parameters in self._owned]:
            identities = {id(parameter) for parameters in owned for parameter in parameters}
            self._owned = owned
            self._unowned = [each for each in self._parameters if id(each[1]) not in identities]
        return [name for name, parameter in self._unowned if parameter.requires_grad]


def _has_modes(module: nn.Module) -> bool:
    """Whether the module computes something else in training than in evaluation."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, _NormBase):
        return bool(module.track_running_stats)
    return isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0
