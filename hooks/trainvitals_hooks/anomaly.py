"""The moment from which on the next steps are worth recording in full."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainvitals import tags

DENSE_STEPS = 3
"""Steps recorded in full after an anomaly: enough to see it spread, too few to cost anything over a run."""


class Anomaly:
    """Sees a loss or a gradient turn non-finite; as long as it stays so, it is the same anomaly."""

    def __init__(self) -> None:
        self._healthy = {tags.TRAIN_LOSS: True, tags.GRADIENT_NORM: True}

    def begins(self, values: Mapping[str, float]) -> bool:
        """Whether these values of a step are the first bad ones."""
        new = False
        for tag, was_healthy in self._healthy.items():
            if tag in values:
                healthy = math.isfinite(values[tag])
                new |= was_healthy and not healthy
                self._healthy[tag] = healthy
        return new
