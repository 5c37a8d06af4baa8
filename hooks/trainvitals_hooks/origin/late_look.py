"""A look at gradients on an accelerator, without waiting for it: what it saw is known some steps later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trainvitals_hooks.origin.verdict import Verdict
from trainvitals_hooks.processes.shards import held_here
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Parameter

LOOKS = 512
"""Steps looked at from one record to the next; of more the first ones."""


class LateLook:
    """Adds up one small gradient at every step, on its device; the sums travel with the next record.

    Which step was the first with a NaN is known exactly, but only after its update has spread it over the weights.
    """

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self._sums = torch.zeros(LOOKS, device=parameter.device)
        self._places = self._sums.unbind()
        self._steps: list[int] = []
        self._ill = False

    def look(self, step: int) -> None:
        """Before the update of this step."""
        gradient = self._parameter.grad
        if gradient is not None and len(self._steps) < LOOKS:
            place = self._places[len(self._steps)]
            torch.sum(held_here(gradient).detach().reshape(-1), 0, dtype=torch.float32, out=place)
            self._steps.append(step)

    def reading(self, tell: Callable[[Verdict, int], None]) -> Reading:
        """What was seen since the last time; ``tell`` is told of a NaN and of its step once the host knows."""
        steps, self._steps = self._steps, []
        sums: Tensor = self._sums[: len(steps)].clone()

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            bad = ~np.isfinite(arrays[0])
            begins = bad & ~np.concatenate(([self._ill], bad[:-1]))
            self._ill = bool(bad[-1]) if len(bad) else self._ill
            if begins.any():
                step = steps[int(np.argmax(begins))]
                tell(_verdict(step), step)
            return named({})

        return Reading([sums], finish)


def _verdict(step: int) -> Verdict:
    return Verdict(
        "unknown",
        f"the gradient next to the output is not finite; on an accelerator that is known only when the update of step "
        f"{step} has been made with it: to find the module, load a checkpoint from before that step and go on under "
        f"torch.autograd.detect_anomaly(), or on the CPU",
    )
