"""Hooks on modules that disturb nothing: not a copy of the model, not a checkpoint, not a second pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

_graph_task: Callable[[], int] | None = getattr(torch._C, "_current_graph_task_id", None)
_functorch: Callable[[], int | None] | None = getattr(
    getattr(torch._C, "_functorch", None), "maybe_current_level", None
)
NO_GRAPH_TASK = -1


def in_backward() -> bool:
    """Whether a backward pass is running here."""
    return _graph_task is not None and _graph_task() != NO_GRAPH_TASK


class ModuleHook:
    """A hook of one module.

    A copy of the module gets a hook that does nothing, so that averaged copies are not recorded, and whoever loads a
    saved model needs no part of this package.

    Class attributes:
        asleep: while a forward pass runs that is none of the training's.
    """

    asleep: ClassVar[bool] = False

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __reduce__(self) -> tuple[Any, ...]:
        # The end of a context that suppresses nothing: the standard library's function that ignores its arguments.
        return getattr, (contextlib.nullcontext(), "__exit__")

    def concerns(self, module: nn.Module) -> bool:
        """Whether this is a forward pass of training, of this very module, run for the first time."""
        # First of all: what a compiler reads here it would guard on, and compile again when it changes.
        return not torch.compiler.is_compiling() and module is self._module and is_training_pass(module)


def is_training_pass(module: nn.Module) -> bool:
    """Whether the forward pass of this module that is running is one of training, and run for the first time."""
    return (
        not ModuleHook.asleep
        and module.training
        # Inside a backward pass, a forward pass is the second one of a checkpointed block.
        and (_graph_task is None or _graph_task() == NO_GRAPH_TASK)
        and (_functorch is None or _functorch() is None)
    )


class Switch:
    """Puts a forward hook on its module and takes it off, in a fifth of the time that registering it takes.

    Registering checks and makes things anew each time; here that is done once, and the handle kept. Where modules keep
    their hooks elsewhere one day, the ordinary way is taken.
    """

    def __init__(self, module: nn.Module, hook: Any) -> None:
        self._module = module
        self._hook = hook
        self._handle = module.register_forward_hook(hook)
        self._key = self._handle.id
        self._is_direct = module.__dict__.get("_forward_hooks", {}).pop(self._key, None) is hook
        if not self._is_direct:
            self._handle.remove()
        self._is_on = False

    def on(self) -> None:
        if self._is_direct:
            self._module._forward_hooks[self._key] = self._hook
        elif not self._is_on:
            self._handle = self._module.register_forward_hook(self._hook)
        self._is_on = True

    def off(self) -> None:
        if self._is_direct:
            self._module._forward_hooks.pop(self._key, None)
        elif self._is_on:
            self._handle.remove()
        self._is_on = False


def first_tensor(output: object) -> Tensor | None:
    """The first tensor of real numbers in what a module returned: itself, or inside tuples and dicts."""
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    parts: Any = ()
    if isinstance(output, dict):
        parts = output.values()
    elif isinstance(output, tuple | list):
        parts = output
    for part in parts:
        found = first_tensor(part)
        if found is not None:
            return found
    return None
