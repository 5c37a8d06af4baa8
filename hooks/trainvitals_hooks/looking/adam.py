"""What an optimizer of the Adam family remembers of the gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owned


@dataclass(frozen=True, slots=True)
class Moments:
    """Adam's moments of one parameter, as they are in the optimizer's state, without correction of their bias.

    Args:
        first, second: moving averages of the gradient and of its square.
        largest: the second moment that the update is divided by the root of: its largest value with ``amsgrad``.
        step: updates so far, one element. group: the settings.
    """

    name: str
    parameter: Parameter
    first: Tensor
    second: Tensor
    largest: Tensor
    step: Tensor
    group: dict[str, Any]

    @property
    def decay(self) -> tuple[float, float]:
        """The two decay rates."""
        fast, slow = self.group["betas"]
        return float(fast), float(slow)

    @property
    def epsilon(self) -> float:
        """What is added to the root."""
        return float(self.group["eps"])


class AdamMoments:
    """The moments of every parameter of an optimizer that has some, looked up again where they have changed.

    A rate that is a tensor on a device would have to be waited for: a group that has one is left out.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._known: list[Moments] = []

    def now(self, owned: Owned) -> list[Moments]:
        """Those of the parameters with a gradient, the same list as before if nothing about them has changed."""
        ready = [parameter for parameter in owned.parameters if parameter.grad is not None]
        if not self._are_known(ready):
            names = dict(zip(map(id, owned.parameters), owned.named, strict=True))
            self._known = [each for group in self._optimizer.param_groups for each in self._of_group(group, names)]
        return self._known

    def _are_known(self, ready: list[Parameter]) -> bool:
        return len(ready) == len(self._known) and all(
            parameter is known.parameter
            and (state := self._optimizer.state.get(parameter)) is not None
            and state.get("exp_avg") is known.first
            and state.get("exp_avg_sq") is known.second
            and state.get("step") is known.step
            for parameter, known in zip(ready, self._known, strict=True)
        )

    def _of_group(self, group: dict[str, Any], names: dict[int, str]) -> Iterator[Moments]:
        decay, epsilon = group.get("betas"), group.get("eps")
        if not isinstance(decay, tuple | list) or len(decay) != 2 or not _on_host(epsilon, *decay):
            return
        for parameter in group["params"]:
            state: dict[str, Any] = self._optimizer.state.get(parameter, {})
            first, second, step = state.get("exp_avg"), state.get("exp_avg_sq"), state.get("step")
            if not isinstance(first, Tensor) or not isinstance(second, Tensor) or not isinstance(step, Tensor):
                continue
            largest: Tensor = state.get("max_exp_avg_sq", second)
            if step.numel() == 1 and all(_alike(each, parameter) for each in (parameter.grad, first, second, largest)):
                yield Moments(names[id(parameter)], parameter, first, second, largest, step, group)


def _on_host(*values: Any) -> bool:
    return all(isinstance(value, int | float) or (isinstance(value, Tensor) and value.is_cpu) for value in values)


def _alike(tensor: object, parameter: Tensor) -> bool:
    """Whether the same element lies at the same place in both."""
    return (
        isinstance(tensor, Tensor)
        and type(tensor) is Tensor
        and tensor.layout == torch.strided
        and tensor.is_floating_point()
        and tensor.numel() > 0
        and tensor.shape == parameter.shape
        and tensor.stride() == parameter.stride()
    )
