"""The moment from which on the next steps are worth recording in full."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainvitals import tags

DENSE_STEPS = 3
"""Steps recorded in full after an anomaly: enough to see it spread, too few to cost anything over a run."""


class Anomaly:
    """Sees a loss or a gradient turn non-finite; as long as it stays so, it is the same anomaly."""

    WATCHED = frozenset({tags.TRAIN_LOSS, tags.GRADIENT_NORM})

    def __init__(self) -> None:
        self._healthy = dict.fromkeys(self.WATCHED, True)

    def begins(self, values: Mapping[str, float]) -> bool:
        """Whether these values of the watched tags are the first bad ones."""
        new = False
        for tag, value in values.items():
            healthy = math.isfinite(value)
            new |= self._healthy[tag] and not healthy
            self._healthy[tag] = healthy
        return new
