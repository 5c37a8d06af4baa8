"""Where a NaN or an infinity came from, found out once the gradient shows it and before the update spreads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainvitals_hooks.looking.parameters import plain_name
from trainvitals_hooks.origin.finiteness import non_finite, tensors_in
from trainvitals_hooks.origin.replay import Passed, backward_offender, first_offender, forward_again
from trainvitals_hooks.processes.shards import held_here

if TYPE_CHECKING:
    from torch import Tensor, nn

    from trainvitals_hooks.origin.replay import Call

NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the first non-finite number came from.

    Args:
        kind: what it was born in; ``unknown`` where that could not be found out.
        text: a sentence for a person.
        module, module_class: the module, where it was one.
    """

    kind: Literal["forward", "loss", "backward", "input", "parameter", "unknown"]
    text: str
    module: str | None = None
    module_class: str | None = None


def bad_parameters(model: nn.Module) -> list[str]:
    """Names of the parameters that hold what is not finite."""
    return [plain_name(name) for name, value in model.named_parameters() if non_finite([held_here(value)]).is_any]


def of_call(model: nn.Module, call: Call) -> Verdict:
    """The origin in a step whose weights are finite and whose gradient is not.

    The forward pass is repeated, and if need be the backward pass from the model's output on.

    Raises:
        Exception: whatever the model raises.
    """
    given = non_finite(tensors_in((call.arguments, call.keywords)))
    if given.is_bad:
        return Verdict("input", f"the input of the model holds {given}: look at the data")
    passed = forward_again(model, call)
    if (offender := first_offender(passed)) is not None:
        where = "" if offender.is_leaf else ", between the modules inside of it"
        text = f"the forward pass of {_named(offender)} puts out {offender.after} for a finite input{where}"
        return Verdict("forward", text, offender.name, type(offender.module).__name__)
    if (offender := backward_offender(model, call)) is not None:
        text = f"the backward pass of {_named(offender)} makes a finite gradient non-finite; its forward pass is finite"
        return Verdict("backward", text, offender.name, type(offender.module).__name__)
    return Verdict(
        "loss",
        "the output of the model is finite, and so is its derivative: the loss itself, its targets, or what else "
        "of the loop lies between the model and the backward pass",
    )


def of_weights(bad: list[str], states: list[Tensor], first: int | None, step: int) -> Verdict:
    """What can be said where weights are not finite any more when that is first seen.

    Args:
        bad: their names. states: what the optimizer remembers of their gradients.
        first: the step at which they were last seen finite, None where they never were. step: this one.
    """
    names = ", ".join(bad[:NAMES_SHOWN]) + (f" and {len(bad) - NAMES_SHOWN} more" if len(bad) > NAMES_SHOWN else "")
    if first is None:
        return Verdict(
            "parameter", f"{names} held NaN or infinity before the first step that was watched", _module_of(bad)
        )
    came = f"became non-finite between steps {first} and {step}"
    if not states:
        how = f"by the update of step {first} or by what was written to them after it"
    elif non_finite(states).is_any:
        how = f"by the update of step {first}: their own gradients were non-finite there, that of the output was not"
    else:
        how = f"with finite gradients: by the update of step {first} itself, or by what was written to them after it"
    advice = f"to find out, load a checkpoint from before step {first} and repeat with torch.autograd.detect_anomaly()"
    return Verdict("parameter", f"{names} {came}, {how}; {advice}", _module_of(bad))


def _module_of(names: list[str]) -> str | None:
    """The one module that all of these parameters belong to."""
    modules = {name.rpartition(".")[0] for name in names}
    return modules.pop() or None if len(modules) == 1 else None


def _named(passed: Passed) -> str:
    return f"{passed.name} ({type(passed.module).__name__})"
