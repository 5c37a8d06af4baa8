"""What a probe is: one measurement of a recorded step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch.nn import Module
    from torch.optim import Optimizer

    from trainvitals_hooks.own_time import OwnTime
    from trainvitals_hooks.parameters import Owners
    from trainvitals_hooks.reading import Reading


@dataclass(frozen=True, slots=True)
class Context:
    """The training that the probes look at.

    Args:
        owners: the parameters of each optimizer.
        own: told of the time spent in hooks on modules, which no one else counts.
        on_error: told of what goes wrong in such a hook; it switches the probe off.
        selected: which layers have tags of their own, by name.
        mark: writes a marker of this kind, with these details, at the step just made; called in ``after_update``.
    """

    model: Module
    optimizers: Sequence[Optimizer]
    owners: Owners
    own: OwnTime
    on_error: Callable[[Probe, Exception], None]
    selected: Callable[[str], bool]
    mark: Callable[[str, Mapping[str, object]], None]


class Probe:
    """One measurement. Every method is called at recorded steps only; a probe does what it needs and leaves the rest.

    A probe reads tensors, and neither changes them nor draws random numbers nor waits for a device. When it raises, it
    is told once and switched off.

    Class attributes:
        name: snake case, as in ``watch(signals=[...])``.
        writes: the tags, or kinds of per-layer tags, that it records.
        hears_modules: whether it hangs hooks on modules, which compiled code ignores.
    """

    name: ClassVar[str]
    writes: ClassVar[tuple[str, ...]]
    hears_modules: ClassVar[bool] = False

    @classmethod
    def of(cls, context: Context) -> Self:
        """The probe for this training."""
        raise NotImplementedError

    def arm(self) -> None:
        """Before the forward pass of a recorded step. Gradients of the step before may still be there."""

    def before_update(self, optimizer: Optimizer) -> None:
        """Before an optimizer changes its parameters; with a closure also before the forward pass."""

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        """After an optimizer changed its parameters, with the gradients it used still there."""
        return ()

    def disarm(self) -> None:
        """After the step; nothing of the probe may stay on the model."""
