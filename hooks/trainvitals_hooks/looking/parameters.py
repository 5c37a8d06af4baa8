"""Which parameters each optimizer updates, and under which names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch.nn import Module, Parameter
    from torch.optim import Optimizer

# What torch.compile, DistributedDataParallel and checkpoint wrappers put between the names of a model.
_WRAPPERS = re.compile(
    r"^_orig_mod\.module\.|(?:^|(?<=\.))(?:_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module)\."
)


def plain_name(name: str) -> str:
    """A name without the wrappers that are no part of the person's model."""
    return _WRAPPERS.sub("", name)


@dataclass(slots=True)
class Owned:
    """The parameters of one optimizer, looked up again when the optimizer's lists change.

    Args:
        names: of the parameters of the model, by identity.
        number: of the optimizer, for parameters that have no name in the model.
    """

    optimizer: Optimizer
    names: dict[int, str]
    number: int
    parameters: tuple[Parameter, ...] = ()
    named: tuple[str, ...] = ()
    _identities: list[int] = field(default_factory=list)

    def refresh(self) -> None:
        """Look again: parameters come late when layers are unfrozen one by one."""
        identities = [*map(id, chain.from_iterable(group["params"] for group in self.optimizer.param_groups))]
        if identities != self._identities:
            self._identities = identities
            found = list(_parameters(self.optimizer))
            self.parameters = tuple(parameter for _, parameter in found)
            self.named = tuple(
                self.names.get(id(parameter), f"optimizer{self.number}.{place}") for place, parameter in found
            )


class Owners:
    """The optimizers with their parameters."""

    def __init__(self, model: Module, optimizers: Sequence[Optimizer]) -> None:
        names = {id(parameter): plain_name(name) for name, parameter in model.named_parameters()}
        self._of = {id(optimizer): Owned(optimizer, names, number) for number, optimizer in enumerate(optimizers)}
        for owned in self._of.values():
            owned.refresh()
        self._trainable = {
            id(parameter): names[id(parameter)] for parameter in model.parameters() if parameter.requires_grad
        }

    def of(self, optimizer: Optimizer) -> Owned:
        """What this optimizer updates now."""
        owned = self._of[id(optimizer)]
        owned.refresh()
        return owned

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Owned]:
        return iter(self._of.values())

    def parameters(self) -> Iterator[Parameter]:
        """Those of all optimizers."""
        return chain.from_iterable(owned.parameters for owned in self)

    def unowned(self) -> tuple[str, ...]:
        """Names of the parameters of the model that were to be trained at first and that no optimizer updates."""
        identities = {id(parameter) for owned in self for parameter in owned.parameters}
        return tuple(name for identity, name in self._trainable.items() if identity not in identities)


def _parameters(optimizer: Optimizer) -> Iterator[tuple[str, Parameter]]:
    for group_number, group in enumerate(optimizer.param_groups):
        for number, parameter in enumerate(group["params"]):
            yield f"group{group_number}.{number}", parameter
