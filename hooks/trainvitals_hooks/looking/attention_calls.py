"""Seeing calls of attention, which no hook on a module shows: fused attention takes queries and gives out values.

While somebody listens, which is while a watched model runs forward, ``scaled_dot_product_attention`` and ``softmax`` of
``torch.nn.functional`` are replaced, there and where the code of the model imported them from there, by functions that
tell of the call and then make it unchanged.
A mode for functions of torch would see the same calls, but slow down every operation of the model, disturb what is
compiled, and be left in the way where a forward pass is interrupted.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import has_torch_function

Hear = Callable[[str, FrameType, tuple[Any, ...], dict[str, Any]], None]
"""Called with the name of the function, who called it, and the arguments; it must not raise."""
Place = tuple[dict[str, Any], str, str]
"""A namespace, a name in it, and the name of the function that it stands for."""

FUSED, SOFTMAX = "scaled_dot_product_attention", "softmax"


class _Here(threading.local):
    """What this thread is doing."""

    inside = False


_here = _Here()
_listeners: list[Hear] = []
_replaced: list[tuple[dict[str, Any], str, Callable[..., Any], Callable[..., Any]]] = []


def places_of(model: nn.Module) -> list[Place]:
    """Where the code of a model finds these functions."""
    found: list[Place] = [(vars(functional), name, name) for name in (FUSED, SOFTMAX)]
    originals = {id(getattr(functional, name)): name for name in (FUSED, SOFTMAX)}
    files = {type(module).__module__ for module in model.modules()} - {functional.__name__}
    for namespace in (vars(sys.modules[file]) for file in files if file in sys.modules):
        found += [
            (namespace, name, originals[id(value)]) for name, value in namespace.items() if id(value) in originals
        ]
    return found


def listen(hear: Hear, places: Iterable[Place]) -> None:
    """Have calls told of, until ``stop``."""
    if hear in _listeners:
        return
    _listeners.append(hear)
    for namespace, name, function in places:
        now = namespace.get(name)
        if now is not None and not any(now is seen for _, _, seen, _ in _replaced):
            seen = _telling(function, now)
            namespace[name] = seen
            _replaced.append((namespace, name, seen, now))


def stop(hear: Hear) -> None:
    """No longer. After the last one everything is as it was, but for what somebody else has put there since."""
    if hear in _listeners:
        _listeners.remove(hear)
    if not _listeners:
        for namespace, name, seen, before in _replaced:
            if namespace.get(name) is seen:
                namespace[name] = before
        _replaced.clear()


def caller_among(frame: FrameType, modules: Mapping[int, tuple[str, nn.Module]]) -> tuple[str, nn.Module] | None:
    """The innermost of these modules (name and module, by identity) that is running a method, up from this frame."""
    above: FrameType | None = frame
    while above is not None:
        code = above.f_code
        if code.co_argcount:
            found = modules.get(id(above.f_locals.get(code.co_varnames[0])))
            if found is not None:
                return found
        above = above.f_back
    return None


def _telling(function: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which tells the listeners; one that it uses itself is a part of it and not told."""

    @functools.wraps(original)
    def seen(*arguments: Any, **keywords: Any) -> Any:
        if torch.compiler.is_compiling() or not _listeners or _here.inside:
            return original(*arguments, **keywords)
        _here.inside = True
        try:
            for hear in tuple(_listeners):
                hear(function, sys._getframe(1), arguments, keywords)
            with _given_back() if has_torch_function((*arguments, *keywords.values())) else nullcontext():
                return original(*arguments, **keywords)
        finally:
            _here.inside = False

    return seen


@contextmanager
def _given_back() -> Iterator[None]:
    """For tensors and modes with functions of their own: they tell which one is called by comparing it with these."""
    ours = [each for each in _replaced if each[0].get(each[1]) is each[2]]
    for namespace, name, _, before in ours:
        namespace[name] = before
    try:
        yield
    finally:
        for namespace, name, seen, _ in ours:
            namespace[name] = seen
