"""The domains of the training data, as ``vitals.log(domain=...)`` tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainvitals import tags
from trainvitals.model import Series

if TYPE_CHECKING:
    from trainvitals.view import RunView

UNITS = ("tokens", "samples")
BATCHES = "batches"


@dataclass(frozen=True, slots=True)
class Domain:
    """One part of the training data.

    Args:
        name: as logged. loss: of its batches, finite.
        counted: how much of it was trained on until each step; unit: of that.
    """

    name: str
    loss: Series
    counted: Series
    unit: str

    def amount(self, from_step: float, to_step: float) -> float:
        """How much was trained on after the first and until the second step."""
        value = np.append(0.0, np.asarray(self.counted.value, dtype=np.float64))
        begin, end = np.searchsorted(self.counted.step, [from_step, to_step], side="right")
        return float(value[end] - value[begin])


def domains_of(view: RunView) -> tuple[Domain, ...]:
    """The domains with a loss; counted in tokens or samples where all have them, else in batches."""
    prefix, suffix = "train/", "/loss"
    logged = {role.tag for role in view.signals.roles if role.role == "domain"}
    names = sorted(tag[len(prefix) : -len(suffix)] for tag in logged if tag.endswith(suffix))
    counts = (unit for unit in UNITS if all(tags.train_metric(unit, name) in logged for name in names))
    unit = next(counts, BATCHES)
    domains = []
    for name in names:
        loss = view.series(tags.train_metric("loss", name)).finite()
        if unit == BATCHES:
            counted = Series(loss.tag, loss.step, loss.wall_time, np.arange(1.0, len(loss) + 1))
        else:
            counted = view.series(tags.train_metric(unit, name)).finite()
        domains.append(Domain(name, loss, counted, unit))
    return tuple(domains)
