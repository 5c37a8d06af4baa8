"""The records of each layer: layers take turns, so that each is judged over the steps at which it was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import StepArray
from trainvitals.rules.rule import NotEnough
from trainvitals.view import RunView

FEWEST_RECORDS = 5
"""In a row until the end: fewer may be some batches of a kind of their own."""

LASTING_SHARE = 0.02
"""Of the run: what holds for less may be over with the next batches."""

NAMED_LAYERS = 8
"""In a finding; more of them tell a person nothing new."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerRecords:
    """One signal of one layer.

    Args:
        layer: its name; tag: of the signal.
        step, value: ``[N]`` without the steps at which the layer was not looked at, and without NaN.
    """

    layer: str
    tag: str
    step: StepArray
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)

    @property
    def late(self) -> float:
        """The median of the last records."""
        return float(np.median(self.value[-FEWEST_RECORDS:]))

    def lasting_tail(self, holds: NDArray[np.bool_], span_steps: int) -> int | None:
        """Index from which a condition ``[N]`` holds until the end; None where that is too short to count."""
        begin = begin_of_tail(holds)
        if begin is None or len(self) - begin < FEWEST_RECORDS:
            return None
        return begin if self.step[-1] - self.step[begin] >= LASTING_SHARE * span_steps else None

    def begin_step(self, index: int) -> int:
        """The earliest step at which what was first seen at a record can have begun."""
        return int(self.step[index - 1]) + 1 if index else int(self.step[0])


def records_of(view: RunView, kind: str) -> tuple[LayerRecords, ...]:
    """Each layer that was looked at often enough, input side first; empty where the signal was not recorded."""
    found = view.layers(kind)
    if found is None:
        return ()
    tags = view.signals.per_layer[kind].tags
    records = []
    for index, (layer, tag) in enumerate(zip(found.layers, tags, strict=True)):
        known = ~np.isnan(found.value[:, index])
        if int(known.sum()) >= FEWEST_RECORDS:
            records.append(LayerRecords(layer, tag, found.step[known], found.value[known, index]))
    return tuple(records)


def place_of(layers: Sequence[str]) -> str:
    """How a sentence calls these layers, which are in the order of the model."""
    return layers[0] if len(layers) == 1 else f"{len(layers)} layers from {layers[0]} on"


def not_recorded(view: RunView, probe: str, missing: str, how: str) -> NotEnough:
    """What to say where a signal is not there: nothing, if the hooks looked for it and the model has none."""
    looked_for = str(view.run.hyper_parameters.get("signals", "")).replace(" ", "").split(",")
    return NotEnough() if probe in looked_for else NotEnough((missing,), how)
