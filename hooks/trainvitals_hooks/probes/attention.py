"""How spread the attention of each layer is, and how large its logits are, of a sample of its queries.

The entropy is that of the weights over the keys, before dropout, in nats: the log of the number of keys where it is
spread evenly, of a causal query the log of those it may see. Low and falling entropy, and largest logits that grow on
and on, come before a divergence (Zhai et al., "Stabilizing transformer training by preventing attention entropy
collapse", 2023; Dehghani et al., "Scaling vision transformers to 22 billion parameters", 2023).

A layer is the innermost module that called the attention. Seen are ``scaled_dot_product_attention``, whatever kernel
computes it, so also ``nn.MultiheadAttention``; and ``softmax`` of ``torch.nn.functional`` over the last axis of four or
more, or inside ``nn.MultiheadAttention``. Not seen are the method ``Tensor.softmax``, ``flex_attention``, attention of
other packages, and tensors that are nested or sharded. Of a layer that attends several times in a step the first time
counts.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainvitals_hooks.looking import attention_calls
from trainvitals_hooks.looking.attention_sample import logits_of_fused, rows_of_logits
from trainvitals_hooks.looking.forward import is_training_pass
from trainvitals_hooks.looking.listener import Listener
from trainvitals_hooks.looking.parameters import plain_name
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, layer_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from numpy.typing import NDArray
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.recording.own_time import OwnTime

MASKED = -1e4
"""A query whose largest logit is below sees nothing: masks are -inf, or the end of the range of their type, the least
of which is -65504; true logits of this size are far beyond where training diverges."""
NEGLIGIBLE = -100.0
"""Logits so far below the largest have a weight of 0 in float32."""
AXES_OF_SOFTMAX, AXES_IN_MULTIHEAD = 4, 3


class Attention(Probe):
    """Mean entropy and largest logit of each layer that attends."""

    name = "attention"
    writes = ("attention_entropy", "attention_logit_max")
    hears_modules = True

    def __init__(
        self,
        model: nn.Module,
        selected: Callable[[str], bool],
        own: OwnTime,
        on_error: Callable[[Probe, Exception], None],
    ) -> None:
        self._modules = {
            id(module): (plain_name(path) or type(module).__name__, module) for path, module in model.named_modules()
        }
        self._model = model
        self._selected = selected
        self._own = own
        self._on_error = on_error
        self._places = attention_calls.places_of(model)
        self._entrances: Sequence[nn.Module] = (model,)
        self._handles: list[RemovableHandle] = []
        self._inside = 0
        self._entered = True
        self._logits: dict[str, Tensor] = {}

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.model, context.selected, context.own, context.on_error)

    def arm(self) -> None:
        if not self._entered:
            # The loop calls parts of the model, not the model.
            self._entrances = tuple(_parts(self._model)) or (self._model,)
        self.disarm()
        self._entered = False
        for module in self._entrances:
            self._handles += (
                module.register_forward_pre_hook(self._listener(module, self._enter)),
                module.register_forward_hook(self._listener(module, self._leave), always_call=True),
            )

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        alike: dict[tuple[torch.Size, torch.device], list[str]] = {}
        for name, logits in self._logits.items():
            alike.setdefault((logits.shape, logits.device), []).append(name)
        names = tuple(name for group in alike.values() for name in group)
        measured = [_measured(torch.stack([self._logits[name] for name in group])) for group in alike.values()]
        self._logits = {}

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            entropy, largest = np.concatenate([array.reshape(2, -1) for array in arrays], axis=1)
            return (
                (*layer_tags("attention_entropy", names), *layer_tags("attention_logit_max", names)),
                np.concatenate((entropy, largest)),
            )

        return [Reading(measured, finish)] if names else ()

    def disarm(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        attention_calls.stop(self._hear)
        self._inside = 0
        self._logits = {}

    def _listener(self, module: nn.Module, hear: Callable[..., None]) -> Listener:
        return Listener(module, hear, self._own, lambda error: self._on_error(self, error))

    def _enter(self, *_: Any) -> None:
        self._entered = True
        self._inside += 1
        attention_calls.listen(self._hear, self._places)

    def _leave(self, *_: Any) -> None:
        self._inside -= 1
        if self._inside <= 0:
            attention_calls.stop(self._hear)

    def _hear(self, function: str, caller: FrameType, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._own.enter()
        try:
            found = attention_calls.caller_among(caller, self._modules)
            if found is None or found[0] in self._logits or not is_training_pass(found[1]):
                return
            name, module = found
            if self._selected(name) and (function == attention_calls.FUSED or _attends(module, *arguments, **keywords)):
                logits = _sample(function, arguments, keywords)
                if logits is not None:
                    self._logits[name] = logits
        except Exception as error:
            self._on_error(self, error)
        finally:
            self._own.leave()


def _parts(model: nn.Module) -> Iterator[nn.Module]:
    """What a loop may call in the place of the whole model: its children, and those of a list of modules."""
    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _parts(child)
        else:
            yield child


def _attends(module: nn.Module, input: Tensor, dim: int | None = None, *_: Any, **__: Any) -> bool:  # noqa: A002
    """Whether this call of ``softmax``, with its own names of the arguments, is that of an attention."""
    axes = input.ndim
    return dim in (-1, axes - 1) and (
        axes >= AXES_OF_SOFTMAX or (axes == AXES_IN_MULTIHEAD and isinstance(module, nn.MultiheadAttention))
    )


def _sample(function: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor | None:
    name = "input" if function == attention_calls.SOFTMAX else "query"
    first: Tensor = arguments[0] if arguments else keywords[name]
    if function == attention_calls.SOFTMAX:
        return rows_of_logits(first)
    device = first.device.type
    with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
        return logits_of_fused(*arguments, **keywords)


def _measured(logits: Tensor) -> Tensor:
    """Of logits ``[N, G, R, S]`` the mean entropy and the largest logit of each layer, ``[2 * N]``."""
    logits = logits.flatten(1, 2)
    top = logits.amax(2)
    # Not by `>`: what is not a number must not pass for masked.
    seen = ~(top <= MASKED)
    log_weight = logits.log_softmax(2)
    entropy = -(log_weight.exp() * log_weight.clamp_min_(NEGLIGIBLE)).sum(2)
    mean = torch.where(seen, entropy, 0).sum(1) / seen.sum(1)
    return torch.cat((mean, top.amax(1)))
