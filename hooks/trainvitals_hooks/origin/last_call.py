"""What the model was last called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainvitals_hooks.looking.forward import ModuleHook
from trainvitals_hooks.origin.replay import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


class LastCall(ModuleHook):
    """A hook before the forward pass of the whole model, at every step, that keeps what goes in and nothing else.

    Only the tensors' owners are kept, not copies: the loop's own variable mostly holds the batch until the next one
    comes, so that this costs no memory.

    Args:
        on_next: called before a call takes the place of one whose gradient nobody has looked at: that of a micro-batch.

    Attributes:
        is_new: whether the call was made since somebody looked at the gradient.
    """

    def __init__(self, module: nn.Module, device: str, on_next: Callable[[], None]) -> None:
        super().__init__(module)
        self.is_new = False
        self._on_next = on_next
        self.notes_autocast = True
        self._device = device
        self._autocast: torch.dtype | None = None
        self._arguments: tuple[Any, ...] | None = None
        self._keywords: dict[str, Any] = {}

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        # Fewer questions than the other hooks ask: this one runs at every step, and a wrong call is not repeated.
        if torch.compiler.is_compiling() or ModuleHook.asleep or module is not self._module or not module.training:
            return
        if self.is_new:
            self._on_next()
        self._arguments, self._keywords, self.is_new = arguments, keywords, True
        if self.notes_autocast:
            # A loop does not change its precision from step to step, and asking takes as long as all the rest.
            self.notes_autocast = False
            on = torch.is_autocast_enabled(self._device)
            self._autocast = torch.get_autocast_dtype(self._device) if on else None

    def get(self) -> Call | None:
        """The last call, None where there was none."""
        return None if self._arguments is None else Call(self._arguments, self._keywords, self._autocast)

    def forget(self) -> None:
        self._arguments, self._keywords = None, {}
