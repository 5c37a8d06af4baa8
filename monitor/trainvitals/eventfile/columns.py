"""What one poll of an event file found, as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainvitals.eventfile.histogram import NO_STATISTICS, HistogramStatistics
from trainvitals.model import HistogramSeries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


_NO_CODES, _NO_STEPS = np.empty(0, np.int32), np.empty(0, np.int64)
_NO_TIMES, _NO_VALUES = np.empty(0, np.float64), np.empty(0, np.float32)


class SessionStart(NamedTuple):
    """The log says that recording started again at ``step``; ``row`` scalars of the poll stand before this place."""

    row: int
    step: int
    wall_time: float


@dataclass(frozen=True, slots=True, eq=False)
class HistogramColumns:
    """``M`` histograms in file order.

    Args:
        tag_code: ``[M]`` index into the tags of the poll; step, wall_time: ``[M]``.
        offset: ``[M]`` where the record that holds the histogram begins in the file, in bytes.
        row: ``[M]`` how many scalars of the poll stand before it.
        statistics: None where histograms were only located.
    """

    tag_code: NDArray[np.int32]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    offset: NDArray[np.int64]
    row: NDArray[np.int64]
    statistics: HistogramStatistics | None

    def __len__(self) -> int:
        return len(self.step)

    @classmethod
    def joined(cls, parts: Sequence[HistogramColumns]) -> HistogramColumns:
        """All histograms of the parts in order; at least one part, all of them decoded or none."""
        if len(parts) == 1:
            return parts[0]
        statistics = [part.statistics for part in parts if part.statistics is not None]
        return cls(
            np.concatenate([part.tag_code for part in parts]),
            np.concatenate([part.step for part in parts]),
            np.concatenate([part.wall_time for part in parts]),
            np.concatenate([part.offset for part in parts]),
            np.concatenate([part.row for part in parts]),
            HistogramStatistics.joined(statistics) if statistics else None,
        )


class Text(NamedTuple):
    """One text."""

    tag: str
    step: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class EventColumns:
    """``N`` scalars in file order, and what else stood between them.

    Args:
        tags: the name of each tag code. It only grows from poll to poll; some tags may have no scalars.
        tag_code: ``[N]`` int32; step: ``[N]`` int64; wall_time: ``[N]`` seconds since the epoch, float64.
        value: ``[N]`` float32, or float64 if a value of this poll needs it.
        session_starts: where the log says that recording started again.
        histograms: every histogram.
        texts: every text.
        hyper_parameters: what the plugin hparams recorded.
        file_version: what the file says of itself, usually ``brain.Event:2``; None if not in this poll.
        replaced: the file shrank or was swapped: this poll holds it anew from its first byte.
    """

    tags: tuple[str, ...]
    tag_code: NDArray[np.int32]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.floating[Any]]
    histograms: HistogramColumns
    session_starts: tuple[SessionStart, ...] = ()
    texts: tuple[Text, ...] = ()
    hyper_parameters: Mapping[str, float | str | bool] = field(default_factory=dict)
    file_version: str | None = None
    replaced: bool = False

    def __len__(self) -> int:
        return len(self.step)

    @classmethod
    def empty(cls, tags: tuple[str, ...] = (), *, histograms: bool = True) -> EventColumns:
        """Nothing; ``histograms`` as if they were decoded."""
        no_histograms = HistogramColumns(
            _NO_CODES, _NO_STEPS, _NO_TIMES, _NO_STEPS, _NO_STEPS, NO_STATISTICS if histograms else None
        )
        return cls(tags, _NO_CODES, _NO_STEPS, _NO_TIMES, _NO_VALUES, no_histograms)

    def histogram_series(self) -> dict[str, HistogramSeries]:
        """The decoded histograms by tag.

        Raises:
            ValueError: histograms were located, not decoded.
        """
        if self.histograms.statistics is None:
            raise ValueError("histograms were only located; read the file with histograms='decode'")
        series = {}
        for code in np.unique(self.histograms.tag_code).tolist():
            chosen = self.histograms.tag_code == code
            statistics = self.histograms.statistics.take(chosen)
            series[self.tags[code]] = HistogramSeries(
                self.tags[code],
                self.histograms.step[chosen],
                self.histograms.wall_time[chosen],
                statistics.count,
                statistics.minimum,
                statistics.maximum,
                statistics.mean,
                statistics.std,
                statistics.norm,
                statistics.quantiles,
            )
        return series
