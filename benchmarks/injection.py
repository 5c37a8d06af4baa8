"""Events that are injected into a healthy curve: what happens, from which step on, and which finding must say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ONSET_TOLERANCE = 0.02
FREEZE_TOLERANCE = 0.1

LARGEST_FACTOR = 1e6
"""Where a diverging loss is stopped: beyond that most trainers print NaN."""

SMOOTHING_POINTS = 15
VISIBLE_SDS = 2.0


@dataclass(frozen=True)
class Curve:
    """A healthy loss.

    Args:
        step, loss: ``[T]``; learning_rate: ``[T]`` where it is known.
    """

    name: str
    step: Index
    loss: Array
    learning_rate: Array | None = None

    @property
    def level(self) -> Array:
        """``[T]`` the loss without its noise: a running median."""
        padded = np.pad(self.loss, SMOOTHING_POINTS // 2, mode="reflect")
        return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHING_POINTS), axis=1))

    def falls_visibly_from(self, onset: int) -> bool:
        """Whether the level still falls by two standard deviations of a point's noise from a point to the end."""
        return bool(self.level[onset] - self.level[-1] >= VISIBLE_SDS * difference_noise_sd(self.loss[onset:]))

    def columns(self, loss: Array, rows: Index | slice = slice(None)) -> dict[str, Array]:
        """The columns of a log with these rows of the curve, and ``loss`` for its own."""
        columns = {"step": self.step[rows].astype(np.float64), "loss": loss}
        if self.learning_rate is not None:
            columns["learning_rate"] = self.learning_rate[rows]
        return columns


@dataclass(frozen=True)
class Log:
    """A log with one event: its columns, the steps that count as its beginning, and the event in words."""

    columns: Mapping[str, Array]
    onsets: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Event:
    """One kind of event.

    Args:
        names: the findings that name it.
        inject: curve, index of the first changed point and a generator to the log.
        between: where in the run it begins, as shares of its points.
        tolerance: of the onset, as a share of the run.
        visible_only: only where the curve goes on to fall by more than its noise; elsewhere it would change nothing.
    """

    names: tuple[str, ...]
    inject: Callable[[Curve, int, np.random.Generator], Log]
    between: tuple[float, float] = (0.2, 0.9)
    tolerance: float = ONSET_TOLERANCE
    visible_only: bool = False


def _since(curve: Curve, onset: int) -> Index:
    """``[T]`` how many points after the onset; negative before."""
    return np.arange(len(curve.loss)) - onset


def _log(curve: Curve, onset: int, loss: Array, detail: str) -> Log:
    return Log(curve.columns(loss), (int(curve.step[onset]),), detail)


def grow(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """The loss grows exponentially, up to a million times."""
    share = float(rng.choice([0.003, 0.01, 0.03]))
    e_folds = np.maximum(_since(curve, onset) + 1, 0) / (share * len(curve.loss))
    factor = np.exp(np.minimum(e_folds, np.log(LARGEST_FACTOR)))
    return _log(curve, onset, curve.loss * factor, f"grows e-fold in {share:.1%} of the run")


def jump(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """The loss jumps to where it began, or higher, and stays."""
    height = float(rng.choice([1.0, 1.5, 4.0]))
    stuck = height * float(np.median(curve.loss[:5])) * np.exp(0.01 * rng.standard_normal(len(curve.loss)))
    loss = np.where(_since(curve, onset) >= 0, stuck, curve.loss)
    return _log(curve, onset, loss, f"jumps to {height:g} times its start")


def turn_nan(curve: Curve, onset: int, _rng: np.random.Generator) -> Log:
    """The loss is NaN from one point to the next."""
    return _log(curve, onset, np.where(_since(curve, onset) >= 0, np.nan, curve.loss), "at once")


def blow_up_to_nan(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """The loss grows for some points and is NaN then; the onset is that of the growth."""
    points = int(rng.integers(3, max(4, len(curve.loss) // 50) + 1))
    since = _since(curve, onset)
    growing = curve.loss * np.exp(np.log(LARGEST_FACTOR) * np.clip((since + 1) / points, 0, 1))
    return _log(curve, onset, np.where(since >= points, np.nan, growing), f"after {points} points of growth")


def spike(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """One to four spikes of one shape, sized by how far the noise reaches upwards."""
    size = float(rng.choice([5.0, 10.0, 20.0]))
    shape = str(rng.choice(["single-point", "decaying", "flat-topped"]))
    width = {"single-point": 1, "decaying": 6, "flat-topped": max(2, len(curve.loss) // 200)}[shape]
    profile = np.exp(-np.arange(width) / 2) if shape == "decaying" else np.ones(width)
    loss = curve.loss.copy()
    firsts = np.linspace(onset, len(loss) - 3 * width, max(1, min(4, len(loss) // 100))).astype(int)
    for first in firsts:
        rows = slice(int(first), int(first) + width)
        loss[rows] = curve.level[rows] + size * _noise_upwards(curve, int(first)) * profile
    return _log(curve, onset, loss, f"{len(firsts)} {shape}, {size:g} times the noise upwards")


def _noise_upwards(curve: Curve, index: int) -> float:
    """How far the highest hundredth of the points around an index lies above the level; at least three sigma."""
    reach = max(50, len(curve.loss) // 10)
    rows = slice(max(0, index - reach), index + reach)
    highest = float(np.quantile(curve.loss[rows] - curve.level[rows], 0.99))
    return max(highest, 3 * difference_noise_sd(curve.loss[rows]))


def freeze(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """The loss stays at its level, with noise of its own drawn from what came later in the curve."""
    relative = (curve.loss - curve.level) / curve.level
    held = curve.level[onset] * (1 + rng.choice(relative[onset:], len(relative)))
    return _log(curve, onset, np.where(_since(curve, onset) >= 0, held, curve.loss), "held at its level")


def resume(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """The steps go back by 3 to 10 % of the run and the training goes on from there, with other noise."""
    back = max(3, round(float(rng.uniform(0.03, 0.1)) * len(curve.loss)))
    return _play_again(curve, onset, onset - back, rng, f"back by {back} points")


def start_over(curve: Curve, onset: int, rng: np.random.Generator) -> Log:
    """The training begins again at its first step, in the same log."""
    return _play_again(curve, onset, 0, rng, "back to the first step")


def _play_again(curve: Curve, stop: int, start: int, rng: np.random.Generator, detail: str) -> Log:
    rows = np.concatenate([np.arange(stop), np.arange(start, len(curve.loss))])
    relative = (curve.loss - curve.level) / curve.level
    again = curve.level[start:] * (1 + rng.permutation(relative[start:]))
    # The running median stands still over its last half window, and to stand still would be another event.
    edge = SMOOTHING_POINTS // 2
    again[-edge:] = curve.loss[-edge:]
    loss = np.concatenate([curve.loss[:stop], again])
    return Log(curve.columns(loss, rows), (int(curve.step[stop - 1]), int(curve.step[start])), detail)


EVENTS: Mapping[str, Event] = {
    "divergence, exponential": Event(("diverging-loss",), grow),
    "divergence, jump": Event(("diverging-loss",), jump),
    "NaN, sudden": Event(("non-finite-loss",), turn_nan),
    "NaN, after a blow-up": Event(("non-finite-loss",), blow_up_to_nan),
    "spikes": Event(("loss-spikes",), spike, between=(0.2, 0.6)),
    "freeze": Event(("plateau",), freeze, between=(0.4, 0.6), tolerance=FREEZE_TOLERANCE, visible_only=True),
    "restart from a checkpoint": Event(("restarted-run", "stacked-runs"), resume),
    "restart from the first step": Event(("stacked-runs", "restarted-run"), start_over),
}
