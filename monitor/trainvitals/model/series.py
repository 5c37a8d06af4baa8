"""One signal over time: a scalar tag, a histogram tag, or one number a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
StepArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One scalar tag over time, in the order in which it was recorded.

    Steps may repeat or go back (restarts); values may be NaN or infinite. The wall time is NaN where the log has none.

    Args:
        tag: the name as logged.
        step: ``[T]`` int64, in the log's own step unit.
        wall_time: ``[T]`` float64, seconds since the epoch.
        value: ``[T]`` float32 or float64.
    """

    tag: str
    step: StepArray
    wall_time: NDArray[np.float64]
    value: FloatArray

    def __post_init__(self) -> None:
        if not self.step.shape == self.wall_time.shape == self.value.shape or self.step.ndim != 1:
            raise ValueError(
                f"series {self.tag!r}: step {self.step.shape}, wall_time {self.wall_time.shape} and value "
                f"{self.value.shape} must be one-dimensional and equally long"
            )

    def __len__(self) -> int:
        return len(self.step)

    def take(self, index: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Series:
        """The points that ``index`` selects."""
        return Series(self.tag, self.step[index], self.wall_time[index], self.value[index])

    def latest(self) -> Series:
        """One strictly increasing curve: where steps repeat or go back, what was recorded last wins.

        A restart that goes back to step s replaces all earlier points at s and later, as TensorBoard's own
        server shows it. Non-finite values are kept.
        """
        if len(self) < 2 or bool(np.all(np.diff(self.step) > 0)):
            return self
        smallest_later = np.minimum.accumulate(self.step[::-1])[::-1]
        keep = np.ones(len(self), dtype=bool)
        keep[:-1] = self.step[:-1] < smallest_later[1:]
        return self.take(keep)

    def finite(self) -> Series:
        """The points whose value is finite."""
        finite = np.isfinite(self.value)
        return self if bool(finite.all()) else self.take(finite)


@dataclass(frozen=True, slots=True, eq=False)
class HistogramSeries:
    """Statistics of one histogram tag over time.

    Args:
        tag: the name as logged.
        step: ``[T]``; wall_time: ``[T]`` seconds since the epoch.
        count: ``[T]`` number of values in each histogram.
        minimum, maximum, mean, std: ``[T]`` of the values.
        norm: ``[T]`` Euclidean norm, the root of the logged sum of squares; NaN where the encoding has no such sum.
        quantiles: ``[T, Q]`` at ``QUANTILES``, interpolated inside buckets.
    """

    QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

    tag: str
    step: StepArray
    wall_time: NDArray[np.float64]
    count: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    norm: NDArray[np.float64]
    quantiles: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, slots=True, eq=False)
class LayerSeries:
    """One per-layer signal: ``value`` is ``[T, L]``, NaN where a layer was not recorded at a step.

    ``layers`` is in the model's own order as far as the log tells it: input side first.
    """

    kind: str
    layers: tuple[str, ...]
    step: StepArray
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)
