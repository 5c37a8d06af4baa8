"""A layer much of which is dead, saturated or the like until the end, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence
from trainvitals.rules.activations.layer_records import LayerRecords


@dataclass(frozen=True, slots=True)
class AffectedLayer:
    """A layer, and which share of it is affected.

    Args:
        step: the earliest at which it can have begun; record_step: the first record at which it is seen.
        from_start: whether it was never otherwise.
        before: the share before, median; None from the start. now: the share in the last records.
    """

    layer: str
    tag: str
    step: int
    record_step: int
    from_start: bool
    before: float | None
    now: float

    @classmethod
    def since(cls, layer: LayerRecords, begin: int | None) -> AffectedLayer | None:
        """Since the record at this index; None where there is no such record."""
        if begin is None:
            return None
        return cls(
            layer=layer.layer,
            tag=layer.tag,
            step=layer.begin_step(begin),
            record_step=int(layer.step[begin]),
            from_start=begin == 0,
            before=float(np.median(layer.value[:begin])) if begin else None,
            now=layer.late,
        )

    @property
    def since_when(self) -> str:
        """As a sentence ends."""
        return ", from the start" if self.from_start else f" since step {self.record_step:,}"

    def evidence(self, limit: float) -> Evidence:
        """What it is now, beside what it was and the share that it was held against."""
        was = "" if self.before is None else f"; {self.before:.0%} before"
        return Evidence(
            f"{self.tag} is {self.now:.1%} in the last records{was}",
            signal=self.tag,
            value=self.now,
            threshold=limit,
            step=self.record_step,
        )
