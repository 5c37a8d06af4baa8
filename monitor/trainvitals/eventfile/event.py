"""One decoded event, the same whether its bytes were walked here or by the protobuf classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Scalar(NamedTuple):
    """A single number; ``narrow`` if it was recorded as float32 or less."""

    value: float
    narrow: bool
    in_tensor: bool


class Histogram(NamedTuple):
    """Buckets and moments. Bucket ``i`` reaches from ``limits[i - 1]`` (the first: ``minimum``) to ``limits[i]``."""

    minimum: float
    maximum: float
    number: float
    total: float
    sum_of_squares: float
    limits: NDArray[np.float64]
    counts: NDArray[np.float64]


class LocatedHistogram(NamedTuple):
    """A histogram that was not decoded."""


class Matrix(NamedTuple):
    """The rows of a ``[K, 3]`` tensor; for the plugin ``histograms`` these are left edge, right edge, count."""

    rows: NDArray[np.float64]


class Strings(NamedTuple):
    """The elements of a tensor of strings."""

    elements: tuple[bytes, ...]


class HyperParameters(NamedTuple):
    """The encoded ``HParamsPluginData`` of the plugin ``hparams``."""

    content: bytes


class Value(NamedTuple):
    """One value; ``plugin`` is None where none matters, and what is not read has no content."""

    tag: bytes
    plugin: str | None
    content: Scalar | Histogram | LocatedHistogram | Matrix | Strings | HyperParameters | None


class Event(NamedTuple):
    """One record."""

    wall_time: float
    step: int
    values: tuple[Value, ...] = ()
    session_start: bool = False
    file_version: str | None = None
