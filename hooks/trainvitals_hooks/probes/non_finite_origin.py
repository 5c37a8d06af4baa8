"""The first module whose output is not finite although its input is, at whatever step that happens.

At every step one small gradient is looked at before the update: that of a parameter next to the output, which a NaN of
the loss, of the model or of the data reaches in any case. Nothing else is done as long as it is finite. When it is not,
the weights still are, because the update has not been made: the forward pass is repeated with the same input and a hook
on every module, and leaves no trace. A NaN that is born behind that parameter, in the backward pass, shows in the
weights one step later.

The gradients of a fused scaled step are those of a scaled loss, which overflow in healthy trainings: not looked at. On
an accelerator nothing is waited for: the step is told, some steps later, and the module cannot be.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from trainvitals import tags
from trainvitals_hooks.looking.modules import communicates, eager, is_compiled
from trainvitals_hooks.origin.last_call import LastCall
from trainvitals_hooks.origin.late_look import LateLook
from trainvitals_hooks.origin.verdict import Verdict, bad_parameters, of_call, of_weights
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.processes.shards import held_here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn
    from torch.nn import Parameter
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.probes.probe import Changed
    from trainvitals_hooks.recording.reading import Reading

SMALL = 4096
"""A parameter of so many elements is summed up in a few microseconds."""
FEW = 64
"""So few are brought to Python and added there in less time than one operation of torch takes."""
MOST_REPORTS = 10
"""Each costs a forward pass. A training that goes wrong more often has a reason that the first ones name."""


@dataclass(slots=True)
class _Looked:
    """What is looked at of one optimizer.

    Args:
        is_short: whether it is brought to Python.
        ill: whether the last look found something. finite_at: the step, as counted here, of the last that did not.
        late: how it is looked at on an accelerator.
        suspect: what an earlier micro-batch of this step would be blamed for, if the step is made all the same.
    """

    optimizer: Optimizer
    parameter: Parameter
    is_short: bool
    ill: bool = False
    finite_at: int | None = None
    late: LateLook | None = None
    suspect: Verdict | None = None

    @classmethod
    def at(cls, optimizer: Optimizer, parameter: Parameter) -> _Looked:
        late = LateLook(parameter) if _is_late(parameter) else None
        is_plain = type(parameter.grad) is Tensor and parameter.dim() == 1
        return cls(optimizer, parameter, is_plain and late is None and parameter.numel() <= FEW, late=late)

    def is_finite(self) -> bool:
        if self.parameter.grad is None:
            return True
        gradient = held_here(self.parameter.grad)
        # The sum of very large numbers may overflow without one of them being infinite.
        return math.isfinite(gradient.sum().item()) or bool(torch.isfinite(gradient).all())


class NonFiniteOrigin(Probe):
    """Names where the first NaN or infinity came from, on stderr and as a marker in the record."""

    name = "non_finite_origin"
    writes = (tags.NON_FINITE_ORIGIN,)

    def __init__(self, context: Context) -> None:
        self._model = context.model
        self._owners = context.owners
        self._own = context.own
        self._on_error = context.on_error
        self._journal = context.journal
        self._once = context.once
        self._is_alone = context.ranks.size == 1
        self._looked: dict[int, _Looked] = {}
        self._reports = 0
        self._cannot_repeat = _why_not_to_repeat(context.model)
        self._last_call = LastCall(context.model, "cpu", self._look_at_micro_batch)
        self._handle: RemovableHandle | None = None

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context)

    def look(self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Changed | None:
        self._last_call.is_new = False
        looked = self._looked.get(id(optimizer))
        if looked is not None and looked.is_short and len(arguments) == 1 and not keywords:
            # The way of nearly every step. It is written out because no cache is warm here: as calls of its own it took
            # 7 us more of 34. Nothing of torch or numpy is faster: a sum takes 24 us, the same through numpy 68.
            gradient = looked.parameter.grad
            if gradient is not None:
                total = sum(gradient.tolist())
                if total - total == 0:
                    looked.ill, looked.suspect, looked.finite_at = False, None, self._journal.steps.current
                    return None
        closure = arguments[1] if len(arguments) > 1 else keywords.get("closure")
        if closure is None:
            self._look_at(optimizer)
            return None
        # With a closure the gradients are not there yet: they are looked at as soon as the closure has made them.
        return (optimizer, self._then_look(optimizer, closure), *arguments[2:]), {
            key: value for key, value in keywords.items() if key != "closure"
        }

    def arm(self) -> None:
        self._last_call.notes_autocast = True
        self._listen()

    def before_update(self, optimizer: Optimizer) -> None:
        looked = self._looked.get(id(optimizer))
        if looked is not None and looked.parameter.grad is None:
            # Layers are frozen and unfrozen: another one is looked at from now on.
            del self._looked[id(optimizer)]

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        looked = self._looked.get(id(optimizer))
        return () if looked is None or looked.late is None else [looked.late.reading(self._say)]

    def close(self) -> None:
        self._last_call.forget()
        if self._handle is not None:
            self._handle.remove()

    def _listen(self) -> None:
        if self._handle is None and not self._cannot_repeat:
            self._handle = self._model.register_forward_pre_hook(self._last_call, with_kwargs=True)

    def _then_look(self, optimizer: Optimizer, closure: Callable[[], Any]) -> Callable[[], Any]:
        def closure_and_look() -> Any:
            result = closure()
            self._last_call.is_new = False
            self._own.enter()
            try:
                self._look_at(optimizer)
            except Exception as error:
                self._on_error(self, error)
            finally:
                self._own.leave()
            return result

        return closure_and_look

    def _look_at(self, optimizer: Optimizer) -> None:
        if getattr(optimizer, "found_inf", None) is not None:
            return
        looked = self._looked.get(id(optimizer)) or self._choose(optimizer)
        if looked is None:
            return
        if looked.late is not None:
            looked.late.look(self._journal.under_way(id(optimizer)))
        elif looked.is_finite():
            looked.ill, looked.suspect, looked.finite_at = False, None, self._journal.steps.current
        elif not looked.ill:
            looked.ill = True
            if self._reports < MOST_REPORTS:
                self._say(looked.suspect or self._verdict(looked), self._journal.under_way(id(optimizer)))

    def _look_at_micro_batch(self) -> None:
        """Before the forward pass of another one: the gradients are those of the last one and of the ones before."""
        self._own.enter()
        try:
            for looked in self._looked.values():
                done = looked.ill or looked.late is not None or looked.suspect is not None
                if done or self._reports >= MOST_REPORTS or looked.is_finite():
                    continue
                verdict = self._verdict(looked)
                if verdict.kind in ("forward", "input"):
                    looked.ill = True
                    self._say(verdict, self._journal.under_way(id(looked.optimizer)))
                else:
                    # It may be the gradient of a scaled loss that overflowed, for which no step will be made.
                    looked.suspect = verdict
        except Exception as error:
            self._on_error(self, error)
        finally:
            self._own.leave()

    def _say(self, verdict: Verdict, step: int) -> None:
        self._reports += 1
        details = {key: value for key, value in asdict(verdict).items() if value is not None}
        self._journal.event(_KIND, details | {"step": step}, step=step)
        self._once.tell(self.name, f"step {step:,} is not finite: {verdict.text}")

    def _verdict(self, looked: _Looked) -> Verdict:
        if bad := bad_parameters(eager(self._model)):
            step = self._journal.under_way(id(looked.optimizer))
            behind = None if looked.finite_at is None else self._journal.steps.current - looked.finite_at
            finite_at = None if behind is None else max(step - behind, 0)
            return of_weights(bad, _states(looked.optimizer, self._owners, set(bad)), finite_at, step)
        call = self._last_call.get()
        if self._cannot_repeat or call is None:
            why = self._cannot_repeat or "the model as a whole was not called"
            return Verdict("unknown", f"the weights are finite, the gradient is not; its origin is not known: {why}")
        try:
            verdict = of_call(eager(self._model), call)
        except Exception as error:
            why = f"the forward pass could not be repeated ({type(error).__name__}: {error})"
            return Verdict("unknown", f"the weights are finite, the gradient is not; its origin is not known: {why}")
        if verdict.kind == "loss" and not self._is_alone:
            return Verdict("unknown", f"{verdict.text}; or another process, whose gradient is averaged with this one's")
        return verdict

    def _choose(self, optimizer: Optimizer) -> _Looked | None:
        """The last small parameter in the order of registration, which is mostly that of the forward pass."""
        parameters = [each for each in self._owners.of(optimizer).parameters if _can_be_looked_at(each)]
        small = [each for each in parameters if each.numel() <= SMALL]
        chosen = small[-1] if small else min(parameters, key=Tensor.numel, default=None)
        if chosen is None:
            return None
        self._listen()
        looked = self._looked[id(optimizer)] = _Looked.at(optimizer, chosen)
        return looked


_KIND = tags.NON_FINITE_ORIGIN.removeprefix(tags.event(""))


def _can_be_looked_at(parameter: Parameter) -> bool:
    return (
        parameter.requires_grad
        and parameter.grad is not None
        and parameter.numel() > 0
        and parameter.grad.layout == torch.strided
        and not parameter.is_complex()
    )


def _is_late(parameter: Parameter) -> bool:
    """Whether its gradient cannot be read without waiting for the device."""
    return not parameter.is_cpu


def _why_not_to_repeat(model: nn.Module) -> str | None:
    """Why a forward pass of this model must not be repeated, None where it may be."""
    # Around a whole model that is compiled, the uncompiled one is still there; not so with ``model.compile()``.
    if is_compiled(eager(model)):
        return "the model is compiled"
    if isinstance(model, torch.jit.ScriptModule):
        return "the model is a script"
    if communicates(model):
        return "its forward pass exchanges data with other processes"
    if any(not parameter.is_cpu or type(parameter.data) is not Tensor for parameter in model.parameters()):
        return "it is not in main memory as a whole"
    return None


def _states(optimizer: Optimizer, owners: Owners, names: set[str]) -> list[Tensor]:
    """What the optimizer remembers of the gradients of these parameters."""
    owned = owners.of(optimizer)
    return [
        value
        for name, parameter in zip(owned.named, owned.parameters, strict=True)
        if name in names
        for value in optimizer.state.get(parameter, {}).values()
        if isinstance(value, Tensor) and value.shape == parameter.shape
    ]
