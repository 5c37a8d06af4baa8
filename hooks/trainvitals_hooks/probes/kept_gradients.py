"""Gradients that nobody sets to zero: whether an update used what an earlier update had used already.

Loops set gradients to zero after the update, before the forward pass or before the backward pass, and some add up many
backward passes on purpose. What is wrong in all of them is the same: from one update to the next the gradient was at no
time empty. So one small parameter of each optimizer says, whenever a new gradient reaches it, whether it still holds
something. The hook hangs on it in recorded steps only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import Parameter

from trainvitals import tags
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Measured, Named, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.looking.parameters import Owned, Owners
    from trainvitals_hooks.recording.own_time import OwnTime

MOST_OPTIMIZERS = 4
"""Optimizers looked at. Where there are more, each has one parameter and steps inside the backward pass: one loop for
all of them."""


class KeptGradients(Probe):
    """0 or 1 for each optimizer; nothing where no gradient reached its parameter, as with sharded ones."""

    name = "kept_gradients"
    writes = (tags.GRADIENTS_KEPT,)

    def __init__(self, owners: Owners, own: OwnTime, on_error: Callable[[Probe, Exception], None]) -> None:
        self._sentinels = {
            id(owned.optimizer): _Sentinel(owned, own, lambda error: on_error(self, error))
            for owned, _ in zip(owners, range(MOST_OPTIMIZERS), strict=False)
        }
        self._several = len(owners) > 1

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners, context.own, context.on_error)

    def arm(self) -> None:
        for sentinel in self._sentinels.values():
            sentinel.arm()

    def after_update(self, optimizer: Optimizer) -> Sequence[Measured]:
        sentinel = self._sentinels.get(id(optimizer))
        kept = None if sentinel is None else sentinel.take()
        if sentinel is None or kept is None:
            return ()
        number = sentinel.owned.number
        tag = tags.of_optimizer(tags.GRADIENTS_KEPT, number) if self._several else tags.GRADIENTS_KEPT
        if not isinstance(kept, Tensor):
            return [{tag: kept}]

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            return (tag,), arrays[0]

        return [Reading([kept.reshape(1)], finish)]

    def disarm(self) -> None:
        # What was seen stays: with several optimizers the second one makes its update after this.
        for sentinel in self._sentinels.values():
            sentinel.remove()


class _Sentinel:
    """One parameter of an optimizer, and whether its gradient was ever empty when a new one came."""

    def __init__(self, owned: Owned, own: OwnTime, on_error: Callable[[Exception], None]) -> None:
        self.owned = owned
        self._own = own
        self._on_error = on_error
        self._parameter: Parameter | None = None
        self._handle: RemovableHandle | None = None
        self._silent = True
        self._emptied = False
        self._held: Tensor | None = None

    def arm(self) -> None:
        """Begin anew; with another parameter if no gradient came to this one so far."""
        if self._silent or self._parameter is None or not self._parameter.requires_grad:
            self.remove()
            self._parameter = _smallest(self.owned.parameters)
        self._silent, self._emptied, self._held = True, False, None
        if self._parameter is not None and self._handle is None:
            self._handle = self._parameter.register_hook(self)

    def take(self) -> Tensor | float | None:
        """1 where the gradient was never empty since ``arm``; None where no new gradient came."""
        return 0.0 if self._emptied else self._held

    def remove(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def __call__(self, _: Tensor) -> None:
        if self._emptied:
            return
        self._own.enter()
        try:
            self._look()
        except Exception as error:
            self._on_error(error)
        finally:
            self._own.leave()

    def _look(self) -> None:
        self._silent = False
        held = None if self._parameter is None else self._parameter.grad
        if held is None:
            self._emptied = True
        else:
            holds = (torch.count_nonzero(held) > 0).to(torch.float32)
            self._held = holds if self._held is None else self._held * holds


def _smallest(parameters: Sequence[Parameter]) -> Parameter | None:
    """The smallest plain one, if possible of those with a gradient: one that is not used would say nothing."""
    plain = [each for each in parameters if type(each) is Parameter and each.requires_grad and each.numel()]
    alive = [each for each in plain if each.grad is not None and each.grad.layout == torch.strided]
    return min(alive or plain, key=lambda each: each.numel(), default=None)
