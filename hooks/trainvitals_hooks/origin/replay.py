"""The last forward pass once more, with an eye on every module."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainvitals_hooks.looking.parameters import plain_name
from trainvitals_hooks.origin.finiteness import NonFinite, non_finite, tensors_in
from trainvitals_hooks.origin.undisturbed import undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Call:
    """What a model was called with.

    Args:
        autocast: the type that automatic mixed precision computed in, None where it was off.
    """

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    autocast: torch.dtype | None


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """One module's turn in a forward pass, in the order in which modules end.

    Args:
        before, after: what was not finite in its input and in its output.
        inputs, outputs: the tensors themselves, where gradients are wanted.
    """

    name: str
    module: nn.Module
    before: NonFinite
    after: NonFinite
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()

    @property
    def has_weights(self) -> bool:
        """Whether it holds weights of its own, not only in modules inside of it."""
        return any(True for _ in self.module.parameters(recurse=False))

    @property
    def is_leaf(self) -> bool:
        return not any(True for _ in self.module.children())


@dataclass(slots=True)
class _Watch:
    """Notes each module's turn."""

    keep: bool
    passed: list[Passed] = field(default_factory=list)

    def hook_of(self, name: str) -> Any:
        def note(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: object) -> None:
            inputs, outputs = tuple(tensors_in((arguments, keywords))), tuple(tensors_in(output))
            before, after = non_finite(inputs), non_finite(outputs)
            kept = (inputs, outputs) if self.keep else ((), ())
            self.passed.append(Passed(name, module, before, after, *kept))

        return note


def forward_again(model: nn.Module, call: Call) -> list[Passed]:
    """Every module's turn in the same forward pass; dropout draws other masks. Nothing of it stays."""
    with torch.no_grad(), _watched(model, call, keep=False) as (passed, _):
        return passed


def first_offender(passed: list[Passed]) -> Passed | None:
    """The first module that put out what is not finite although it was given nothing such; None where there is none.

    Minus infinity may be meant. It counts where a module with weights turned it into something worse, for which it is
    of no use, and where the model put it out in the end.
    """
    if not passed:
        return None
    maker = next((each for each in passed if each.after.minus_infinite and not each.before.is_any), None)
    first = next((each for each in passed if each.after.is_bad and not each.before.is_bad), None)
    if first is None:
        return maker if passed[-1].after.is_any else None
    worsened = maker is not None and first.has_weights and first.before.minus_infinite
    return maker if worsened else first


def backward_offender(model: nn.Module, call: Call) -> Passed | None:
    """The first module in the order of the backward pass whose derivative is not finite although it was given one.

    A gradient of ones is sent through the model in place of that of the loss, which is not known here. Where the
    derivative is that of an operation between modules, it is the last module before that operation.
    """
    with torch.enable_grad(), _watched(model, call, keep=True) as (passed, output):
        ends = [tensor for tensor in tensors_in(output) if tensor.requires_grad]
        of_modules = [tensor for each in passed for tensor in (*each.inputs, *each.outputs, *_weights(each.module))]
        wanted = list({id(tensor): tensor for tensor in of_modules if tensor.requires_grad}.values())
        if not ends or not wanted:
            return None
        gradients = torch.autograd.grad(ends, wanted, [torch.ones_like(end) for end in ends], allow_unused=True)
        bad = {
            id(tensor)
            for tensor, gradient in zip(wanted, gradients, strict=True)
            if gradient is not None and non_finite([gradient]).is_any
        }
    born = [
        each
        for each in reversed(passed)
        if bad.isdisjoint(map(id, each.outputs)) and not bad.isdisjoint(map(id, (*each.inputs, *_weights(each.module))))
    ]
    leaves = [each for each in reversed(passed) if each.is_leaf]
    reached = [each for each in leaves if not bad.isdisjoint(map(id, each.outputs))]
    # Of modules inside one another the innermost: it is the last of those that end together.
    return next((each for each in born if each.is_leaf), None) or (born[-1] if born else next(iter(reached), None))


def _weights(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters(recurse=False))


@contextlib.contextmanager
def _watched(model: nn.Module, call: Call, *, keep: bool) -> Iterator[tuple[list[Passed], object]]:
    watch = _Watch(keep)
    handles = []
    device = next((parameter.device.type for parameter in model.parameters()), "cpu")
    automatic = torch.autocast(device, call.autocast, enabled=call.autocast is not None)
    try:
        with undisturbed(model):
            handles = [
                module.register_forward_hook(watch.hook_of(_name(model, path)), with_kwargs=True)
                for path, module in model.named_modules()
                if not isinstance(module, torch.jit.ScriptModule)
            ]
            with automatic:
                output = model(*call.arguments, **call.keywords)
            yield watch.passed, output
    finally:
        for handle in handles:
            handle.remove()


def _name(model: nn.Module, path: str) -> str:
    return plain_name(path) or type(model).__name__
