"""What became of the loss: whether it was gained on, blew up at the start, or got worse from some step on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Series
from trainvitals.view import LossCurve, RunView

FEWEST_POINTS = 20
"""Of a loss; fewer show no level at the start and at the end."""

EDGE_SHARE = 0.05
"""Of the points: the beginning and the end of a curve. A twentieth is a level and not yet a trend."""

EDGE_POINTS = 5

EARLY_SHARE = 0.1
"""Of the points. Warm-ups end here, and a rate that is too high shows by then."""

LOW_POINTS = 9
"""A level that a training was at, and not one lucky batch."""

MEDIAN_ERROR = 1.2533
"""Standard error of a median over that of a mean: sqrt(pi / 2), for normal noise."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a loss.

    Args:
        tag: which; points: of it; last_step: of it.
        start, end: levels of the first and last twentieth. settled: of the twentieth after the first.
        first: the very first value.
        early_peak: highest median of three values in the first tenth, or ten.
        early_peak_step: where.
        early_low: lowest median of nine values in the first tenth; NaN where these are too few.
        noise_sd: of one point, over the second half.
        lost: it is no longer finite at the end.
    """

    tag: str
    points: int
    last_step: int
    start: float
    settled: float
    end: float
    first: float
    early_peak: float
    early_peak_step: int
    early_low: float
    noise_sd: float
    lost: bool

    @property
    def gained(self) -> float:
        """Share of the level at the start that it has lost by the end."""
        return (self.start - self.end) / max(abs(self.start), np.finfo(np.float64).tiny)

    def hardly_moved(self, share: float) -> bool:
        """Whether start and end differ by less than this share of the start, and the error of the two levels."""
        points = max(EDGE_POINTS, EDGE_SHARE * self.points)
        error = MEDIAN_ERROR * self.noise_sd * float(np.sqrt(2.0 / points)) / max(abs(self.start), 1e-300)
        return not self.lost and abs(self.gained) < share + 2.0 * error

    def gain_against(self, limit: float) -> Evidence:
        """What it has gained, as evidence beside the share that it was held against."""
        moved = f"gained {self.gained:.1%}" if self.gained >= 0 else f"risen by {-self.gained:.1%}"
        return Evidence(
            f"{self.tag} has {moved} of its first level {self.start:.4g}",
            signal=self.tag,
            value=self.gained,
            threshold=limit,
            step=self.last_step,
        )

    @property
    def gained_since_settled(self) -> float:
        """The same, of the level after the first twentieth."""
        return (self.settled - self.end) / max(abs(self.settled), np.finfo(np.float64).tiny)


def outcome_of(view: RunView) -> Outcome | None:
    """Of the loss on training data, or else on validation data; None where it has too few points."""
    loss = view.train_loss or view.val_loss
    if loss is None or len(loss) < EDGE_POINTS or len(loss.recorded) < FEWEST_POINTS:
        return None
    value = np.asarray(loss.curve.value, np.float64)
    edge = min(max(EDGE_POINTS, round(EDGE_SHARE * len(value))), len(value))
    early = running_median(value[: max(2 * EDGE_POINTS, round(EARLY_SHARE * len(value)))], 3)
    noise = difference_noise_sd(value[len(value) // 2 :])
    return Outcome(
        tag=loss.tag,
        points=len(value),
        last_step=int(loss.recorded.step[-1]),
        start=float(np.median(value[:edge])),
        settled=float(np.median(value[edge : 2 * edge])) if len(value) > edge else float(value[-1]),
        end=float(np.median(value[-edge:])),
        first=float(value[0]),
        early_peak=float(early.max()),
        early_peak_step=int(loss.curve.step[int(np.argmax(early))]),
        early_low=_lowest(value[: round(EARLY_SHARE * len(value))]),
        noise_sd=noise if np.isfinite(noise) else 0.0,
        lost=is_lost(loss),
    )


def _lowest(value: NDArray[np.float64]) -> float:
    if len(value) < LOW_POINTS:
        return float("nan")
    return float(np.median(np.lib.stride_tricks.sliding_window_view(value, LOW_POINTS), axis=1).min())


def is_lost(loss: LossCurve) -> bool:
    """Whether the loss ends in NaN or infinity, as its last values show."""
    last = loss.recorded.value[-EDGE_POINTS:]
    return len(last) > 0 and not bool(np.isfinite(last).any())


@dataclass(frozen=True, slots=True)
class Turn:
    """A loss before and since a step.

    Args:
        tag: which; points: since the step.
        before: level just before. since: level of all points since. end: of the last third of them.
        high_before: what nine in ten points just before stayed below.
        overlap: share of the points since that lie no higher than that.
        next_level, next_overlap: the same of the tenth of the run that follows the step.
        lost: since then it is no longer finite.
    """

    tag: str
    points: int
    before: float
    since: float
    end: float
    high_before: float
    overlap: float
    next_level: float
    next_overlap: float
    lost: bool


def turn_at(loss: LossCurve | None, step: int) -> Turn | None:
    """The loss before and since a step; None where there are too few points on either side."""
    if loss is None:
        return None
    recorded: Series = loss.recorded
    lost = is_lost(loss) and bool(np.isnan(_of(recorded, step)).any() | np.isinf(_of(recorded, step)).any())
    value = np.asarray(loss.curve.value, np.float64)
    at = int(np.searchsorted(loss.curve.step, step))
    window = max(EDGE_POINTS, round(EDGE_SHARE * len(value)))
    before, since = value[max(0, at - window) : at], value[at:]
    if len(before) < EDGE_POINTS or (len(since) < max(EDGE_POINTS, EDGE_SHARE * len(value)) and not lost):
        return None
    high = float(np.quantile(before, 0.9))
    known = since if len(since) else before[-1:]
    after = known[: 2 * window]
    return Turn(
        tag=loss.tag,
        points=len(since),
        before=float(np.median(before)),
        since=float(np.median(known)),
        end=float(np.median(known[-max(1, len(known) // 3) :])),
        high_before=high,
        overlap=float(np.mean(known <= high)),
        next_level=float(np.median(after)),
        next_overlap=float(np.mean(after <= high)),
        lost=lost,
    )


def _of(series: Series, step: int) -> NDArray[np.float64]:
    return np.asarray(series.value[series.step >= step], np.float64)
