"""A second forward pass that leaves no trace."""

from __future__ import annotations

import contextlib
import random
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from trainvitals_hooks.looking.forward import ModuleHook

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """The model and all random numbers are afterwards what they were before, whatever a forward pass does inside.

    Put back are buffers, attributes of modules (a hidden state kept from call to call) and the states of the random
    number generators of torch, of numpy and of Python. Hooks of this package sleep meanwhile.
    """
    devices = sorted({tensor.device.index or 0 for tensor in model.parameters() if tensor.device.type == "cuda"})
    copies: dict[int, Tensor] = {}
    kept = [
        _KeptScript(module) if isinstance(module, torch.jit.ScriptModule) else _Kept(module)
        for module in model.modules()
    ]
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002
    was_asleep, ModuleHook.asleep = ModuleHook.asleep, True
    try:
        for each in kept:
            each.put_in_copies(copies)
        with torch.random.fork_rng(devices), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ModuleHook.asleep = was_asleep
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)
        for each in kept:
            each.put_back()


class _Kept:
    """What one module holds."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._attributes = dict(module.__dict__)
        self._buffers = dict(module._buffers)

    def put_in_copies(self, copies: dict[int, Tensor]) -> None:
        """Copies take the place of tensors that are no parameters; what modules share they go on to share."""
        # The originals are not written to and back: a backward pass that is still to come would notice.
        for values in (self._module.__dict__, self._module._buffers):
            for key, value in values.items():
                if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                    values[key] = copies.setdefault(id(value), value.detach().clone())

    def put_back(self) -> None:
        _restore(self._module.__dict__, self._attributes)
        _restore(self._module._buffers, self._buffers)


class _KeptScript:
    """The buffers of a scripted module, which takes no others in their place: written back where they changed."""

    def __init__(self, module: nn.Module) -> None:
        self._contents = [(buffer, buffer.detach().clone()) for buffer in module.buffers(recurse=False)]

    def put_in_copies(self, copies: dict[int, Tensor]) -> None:
        """Nothing: the originals stay."""

    def put_back(self) -> None:
        for buffer, content in self._contents:
            # Whether it changed is not asked of a device, which would have to be waited for.
            if not buffer.is_cpu or not torch.equal(buffer, content):
                buffer.detach().copy_(content)


def _restore(now: dict[str, Any], before: dict[str, Any]) -> None:
    for key in [key for key in now if key not in before]:
        del now[key]
    for key, value in before.items():
        if now.get(key) is not value:
            now[key] = value
