"""The cosine between the gradients of two successive steps.

Near 1 the steps go on in one direction and could be longer; well below 0 they jump from one side of a valley to the
other. Noise draws it to 0. Both gradients are seen at the same sample of elements, the first one at the end of the step
before, where it is still there. Gradients that were clipped have the same cosine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import torch

from trainvitals import tags
from trainvitals_hooks.looking.gradient_sample import GradientSample
from trainvitals_hooks.probes.probe import Context, Probe
from trainvitals_hooks.recording.reading import Named, Reading, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.optim import Optimizer

    from trainvitals_hooks.looking.parameters import Owners


class GradientCosine(Probe):
    """Of trainings with one optimizer: with several, the gradients of a step are not all there at one time."""

    name = "gradient_cosine"
    writes = (tags.GRADIENT_COSINE,)

    def __init__(self, owners: Owners) -> None:
        self._sample = GradientSample(next(iter(owners))) if len(owners) == 1 else None
        self._before: Tensor | None = None

    @classmethod
    def of(cls, context: Context) -> Self:
        return cls(context.owners)

    def arm(self) -> None:
        if self._sample is not None:
            self._sample.choose()
            self._before = self._sample.take()

    def after_update(self, optimizer: Optimizer) -> Sequence[Reading]:
        before, self._before = self._before, None
        now = None if self._sample is None else self._sample.take()
        if self._sample is None or before is None or now is None:
            return ()

        def finish(arrays: list[NDArray[np.float64]]) -> Named:
            between, first, second = arrays[0]
            size = math.sqrt(first * second)
            # A step that was skipped for its infinite gradient, or that had none, has no direction.
            return named({tags.GRADIENT_COSINE: between / size} if 0 < size < math.inf else {})

        product = self._sample.product
        return [Reading([torch.stack([product(before, now), product(before, before), product(now, now)])], finish)]

    def disarm(self) -> None:
        self._before = None
