"""What a probe is: one measurement of a recorded step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch.nn import Module
    from torch.optim import Optimizer

    from trainvitals_hooks.console import Once
    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.looking.weight_samples import WeightSamples
    from trainvitals_hooks.processes.ranks import Ranks
    from trainvitals_hooks.processes.shards import Shards
    from trainvitals_hooks.recording.journal import Journal
    from trainvitals_hooks.recording.own_time import OwnTime
    from trainvitals_hooks.recording.reading import Measured

    Changed = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Context:
    """The training that the probes look at.

    Args:
        owners: the parameters of each optimizer.
        own: told of the time spent in hooks on modules, which no one else counts.
        on_error: told of what goes wrong in such a hook; it switches the probe off.
        selected: which layers have tags of their own, by name.
        ranks: the processes of the training. shards: what this one holds of each parameter. samples: of the parameters.
        mark: writes a marker of this kind, with these details, at the step just made; called in ``after_update``.
        journal: of the run, for probes that are called at every step. once: tells the person at the terminal.
    """

    model: Module
    optimizers: Sequence[Optimizer]
    owners: Owners
    own: OwnTime
    on_error: Callable[[Probe, Exception], None]
    selected: Callable[[str], bool]
    ranks: Ranks
    shards: Shards
    samples: WeightSamples
    mark: Callable[[str, Mapping[str, object]], None]
    journal: Journal
    once: Once


class Probe:
    """One measurement. All but ``look`` are called at recorded steps only; a probe leaves what it does not need.

    A probe reads tensors, and neither changes them nor draws random numbers nor waits for a device. When it raises, it
    is told once and switched off.

    Class attributes:
        name: snake case, as in ``watch(signals=[...])``.
        writes: the tags, or kinds of per-layer tags, that it records.
        hears_modules: whether it hangs hooks on modules, which compiled code ignores.
        runs_on: the ranks that it runs on: ``first``; ``shards``, all of them where each holds a part of the
            parameters, which it knows how to measure; ``several``, all of them where there is more than one.
    """

    name: ClassVar[str]
    writes: ClassVar[tuple[str, ...]]
    hears_modules: ClassVar[bool] = False
    runs_on: ClassVar[Literal["first", "shards", "several"]] = "first"

    @classmethod
    def of(cls, context: Context) -> Self:
        """The probe for this training."""
        raise NotImplementedError

    def arm(self) -> None:
        """Before the forward pass of a recorded step. Gradients of the step before may still be there."""

    def before_update(self, optimizer: Optimizer) -> None:
        """Before an optimizer changes its parameters; with a closure also before the forward pass."""

    def after_update(self, optimizer: Optimizer) -> Sequence[Measured]:
        """After an optimizer changed its parameters, with the gradients it used still there."""
        return ()

    def disarm(self) -> None:
        """After the step; nothing that is needed at recorded steps only may stay on the model."""

    def look(self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Changed | None:
        """Before every update, recorded or not: a few microseconds, in which no device is waited for.

        Args:
            arguments, keywords: those of ``optimizer.step``, its own among them.

        Returns:
            Others to be used in their place, as a hook of an optimizer may.
        """

    def close(self) -> None:
        """The end of watching, or of this probe; nothing of it may stay on the model."""
