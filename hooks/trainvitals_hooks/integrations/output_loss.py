"""The loss of each step, from models that compute it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import Module

from trainvitals_hooks.integrations.batches import samples_in, tokens_in
from trainvitals_hooks.looking.forward import ModuleHook

ITEMS_IN_STEP = "num_items_in_batch"
"""With this argument a model of Hugging Face divides the loss of a micro-batch by the items of the whole step."""


@dataclass(slots=True)
class Taken:
    """What the forward passes of one step told.

    Args:
        loss: of the step, on its device; None where the model returned none.
    """

    loss: Tensor | None = None
    samples: int | None = None
    tokens: int | None = None


class OutputLoss(ModuleHook):
    """Listens to every training pass of a model that returns its loss. Nothing waits for a device."""

    def __init__(self, model: Module) -> None:
        super().__init__(model)
        self._parts: list[Tensor] = []
        self._are_shares = False
        self._samples: int | None = None
        self._tokens: int | None = None
        self._sum: Tensor | None = None
        self._steps = 0
        self._handle = model.register_forward_hook(self, with_kwargs=True)

    def __call__(self, module: Module, arguments: tuple[Any, ...], named: dict[str, Any], output: object) -> None:
        if not self.concerns(module):
            return
        self._samples = _added(self._samples, samples_in(named or arguments))
        self._tokens = _added(self._tokens, tokens_in(named))
        loss = _loss_in(output)
        if loss is not None:
            # No copy: across several processes the Trainer scales this very tensor before it trains on it.
            self._parts.append(loss.detach())
            self._are_shares = named.get(ITEMS_IN_STEP) is not None

    def take(self) -> Taken:
        """What was heard since the last call: of micro-batches, the loss of the whole step."""
        taken = Taken(None, self._samples, self._tokens)
        if self._parts:
            whole = sum(self._parts[1:], self._parts[0].float())
            taken.loss = whole if self._are_shares else whole / len(self._parts)
            self._sum = taken.loss if self._sum is None else self._sum + taken.loss
            self._steps += 1
        self._parts, self._samples, self._tokens = [], None, None
        return taken

    def mean_since_last_call(self) -> float | None:
        """Mean loss of the steps taken since the last call, None where there was none. Waits for the device."""
        mean = None if self._sum is None else float(self._sum) / self._steps
        self._sum, self._steps = None, 0
        return mean

    def close(self) -> None:
        """Hear nothing more."""
        self._handle.remove()
        self._parts, self._sum = [], None


def _loss_in(output: object) -> Tensor | None:
    """What the Trainer takes for the loss: ``loss`` of a dictionary, the first of a tuple."""
    if isinstance(output, Mapping):
        found = output.get("loss")
    else:
        found = output[0] if isinstance(output, tuple) and output else None
    return found if isinstance(found, Tensor) and found.numel() == 1 and found.requires_grad else None


def _added(count: int | None, more: int | None) -> int | None:
    return count if more is None else more + (count or 0)
