"""A hook on a module that listens: timed, guarded, and silent for whatever is no training pass of that module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from trainvitals_hooks.looking.forward import ModuleHook
from trainvitals_hooks.recording.own_time import OwnTime


class Listener(ModuleHook):
    """Hands what a hook is given, behind the module itself, to a function that may raise.

    Args:
        hear: called with the arguments of the hook; what it returns is dropped.
        own: told of the time inside. on_error: told of what goes wrong inside.
    """

    def __init__(
        self,
        module: nn.Module,
        hear: Callable[..., None],
        own: OwnTime,
        on_error: Callable[[Exception], None],
    ) -> None:
        super().__init__(module)
        self._hear = hear
        self._own = own
        self._on_error = on_error

    def __call__(self, module: nn.Module, *heard: Any) -> None:
        if not self.concerns(module):
            return
        self._own.enter()
        try:
            self._hear(*heard)
        except Exception as error:
            self._on_error(error)
        finally:
            self._own.leave()
