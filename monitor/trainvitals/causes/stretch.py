"""The part of a run in which it is stuck, and what a fact about it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import LayerSeries, Series
from trainvitals.view import RunView

Values = NDArray[np.float64]

FEWEST_RECORDS = 5
"""In the stretch; fewer say too little of what is usual in it."""

SMALLEST = 1e-300
"""Stands for zero under a fraction bar."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One measured property of the stuck stretch.

    Args:
        name: what was looked at. state: what it is like, a word of the table of causes.
        text: a sentence with the number.
        family: facts of one family rest on the same signal and count once.
    """

    name: str
    state: str
    text: str
    family: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of the run in which it is stuck."""

    view: RunView
    first_step: int

    def of(self, series: Series | None) -> Values:
        """The finite values recorded in it."""
        if series is None:
            return np.zeros(0)
        value = np.asarray(series.value, np.float64)[np.asarray(series.step) >= self.first_step]
        return value[np.isfinite(value)]

    def layers(self, kind: str) -> Values | None:
        """The median of each weight matrix or layer ``[L]`` in it; None where the signal was not recorded."""
        found = self.view.layers(kind)
        return None if found is None else self.medians(found, found.value)

    def medians(self, found: LayerSeries, value: Values) -> Values | None:
        """The same of values ``[T, L]`` that were made of the recorded ones."""
        value = value[found.step >= self.first_step]
        kept = [index for index, name in enumerate(found.layers) if not name.casefold().endswith("bias")]
        value = value[:, kept]
        value = np.where(np.isfinite(value), value, np.nan)
        known = ~np.isnan(value).all(axis=0) if len(value) else np.zeros(0, bool)
        if len(value) < FEWEST_RECORDS or not known.any():
            return None
        return np.asarray(np.nanmedian(value[:, known], axis=0), np.float64)
