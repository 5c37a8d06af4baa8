"""What a probe is: one measurement of a recorded step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

    from trainvitals_hooks.reading import Reading


class Probe:
    """One measurement. Every method is called at recorded steps only; a probe does what it needs and leaves the rest.

    A probe reads tensors, and neither changes them nor draws random numbers nor waits for a device. When it raises, it
    is told once and switched off.
    """

    name: str

    def arm(self) -> None:
        """Before the forward pass of a step that will be recorded."""

    def before_update(self, optimizer: Optimizer) -> None:
        """Before an optimizer changes its parameters; with a closure also before the forward pass."""

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        """After an optimizer changed its parameters, with the gradients it used still there."""
        return ()

    def disarm(self) -> None:
        """After the step; nothing of the probe may stay on the model."""
