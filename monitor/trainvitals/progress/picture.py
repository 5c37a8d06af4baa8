"""What a progress verdict rests on, to be drawn and asked: the stretches of the loss, and both forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainvitals.config import Config
from trainvitals.model import Progress, Run, Series, Verdict
from trainvitals.progress.assessment import Judgement
from trainvitals.progress.forecasts import Forecast
from trainvitals.progress.regime import HardBreak, Rate, hard_breaks, usable_rate
from trainvitals.signals import Signals, understand
from trainvitals.view import LossCurve, RunView

StretchKind = Literal["earlier", "start", "descent", "latest", "too-new"]
BeginsWith = Literal["run", "restart", "rate-raised", "rate-cut", "start-over", "break", "flat"]


class Gain(NamedTuple):
    """An expected decrease of the loss, with the bounds of its interval."""

    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive points of the loss made under one set of conditions, or described by one law.

    Args:
        first_step, last_step: its first and its last point.
        kind: ``earlier`` before a hard break and not judged; ``start`` the beginning of a regime, left out of it;
            ``descent`` judged, before the descent broke off; ``latest`` judged, what the verdict is on; ``too-new``
            too short to be judged.
        begins_with: what sets it apart from the one before; ``start-over`` the warm-up, or the first steps, are over;
            ``break`` the loss leaves the law of its descent; ``flat`` the plateau begins.
    """

    first_step: int
    last_step: int
    kind: StretchKind
    begins_with: BeginsWith


@dataclass(frozen=True, slots=True, eq=False)
class ForecastPath:
    """A forecast over the steps to come: ``[H]`` each, in the unit of the loss; ``low`` and ``high`` bound ``mean``."""

    step: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PicturedForecast:
    """One of the forecasts that were held against each other.

    Args:
        kind: ``line`` straight on; ``law`` along a power law or an exponential; ``steps`` by falls as large as the
            latest; ``held`` one value for good.
        fitted_step, fitted_value: ``[M]`` its value over the points that it was made from; it goes on from the last.
    """

    kind: Literal["line", "law", "steps", "held"]
    fitted_step: NDArray[np.float64]
    fitted_value: NDArray[np.float64]
    forecast: Forecast
    confidence: float

    @property
    def now(self) -> float:
        """The loss now, as this forecast has it."""
        return float(self.fitted_value[-1])

    def gains(self, steps: NDArray[np.float64]) -> list[Gain]:
        """The gain after each of ``[H]`` positive numbers of steps."""
        return [
            Gain(float(interval.estimate), float(interval.low), float(interval.high))
            for interval in self.forecast.gains(steps, self.confidence)
        ]

    def path(self, steps: float, points: int = 41) -> ForecastPath:
        """From now to ``steps`` on."""
        ahead = np.linspace(0.0, steps, points)
        gain, low, high = np.array(self.gains(ahead[1:])).T
        start = np.zeros(1)
        mean, lowest, highest = (self.now - np.append(start, gained) for gained in (gain, high, low))
        return ForecastPath(self.fitted_step[-1] + ahead, mean, lowest, highest)


@dataclass(frozen=True, slots=True, eq=False)
class ProgressPicture:
    """What the progress verdict of a run was computed from.

    Args:
        progress: the verdict and its numbers.
        loss: the finite points of the loss that was judged.
        block_step, block_value: ``[M]`` the averages that stand for the judged stretches; empty where nothing was.
        stretches: the loss from its first to its last point, in order.
        forecasts: the one that the verdict rests on, then those that it was held against; empty without a verdict.
        cuts: the steps inside of what was judged at which the learning rate was cut.
    """

    progress: Progress
    loss: Series
    block_step: NDArray[np.float64]
    block_value: NDArray[np.float64]
    stretches: tuple[Stretch, ...]
    forecasts: tuple[PicturedForecast, ...] = ()
    cuts: tuple[int, ...] = ()

    @property
    def region(self) -> tuple[float, float] | None:
        """The losses that count as no change: ``delta`` below and above what the loss is now."""
        if not self.forecasts or self.progress.delta is None:
            return None
        now = self.forecasts[0].now
        return now - self.progress.delta, now + self.progress.delta

    def gain_after(self, steps: int) -> Gain | None:
        """What the next ``steps``, at least 1, should gain by the forecast that the verdict rests on; None without one.

        Over the horizon of the verdict it is the gain of the verdict.
        """
        return self.forecasts[0].gains(np.array([float(steps)]))[0] if self.forecasts else None


def progress_picture(
    run: Run, config: Config | None = None, *, signals: Signals | None = None
) -> ProgressPicture | None:
    """The picture behind ``diagnose(run, config).progress``; None where no loss was judged.

    Args:
        signals: what the tags of the run mean, where that is known already; the settings play no part then.

    Raises:
        ConfigError: the settings name a tag that the run does not have.
    """
    view = RunView(run, signals or understand(run, (config or Config()).signals))
    loss = view.judged_loss
    if loss is None or view.progress.signal is None or len(loss) == 0:
        return None
    judgement, rate = view.judge(loss), view.learning_rate
    logged = None if rate is None else (rate.step, np.asarray(rate.value, dtype=np.float64))
    usable = usable_rate(logged, int(loss.curve.step[0]), int(loss.curve.step[-1]))
    stretches, cuts = _stretches(loss, usable, judgement)
    curve = judgement.curve
    return ProgressPicture(
        progress=view.progress,
        loss=loss.curve,
        block_step=np.empty(0) if curve is None else curve.step,
        block_value=np.empty(0) if curve is None else curve.value,
        stretches=stretches,
        forecasts=tuple(
            PicturedForecast(each.kind, each.curve.step, each.fitted(), each, judgement.confidence)
            for each in judgement.forecasts
        ),
        cuts=cuts,
    )


def _stretches(loss: LossCurve, rate: Rate | None, judgement: Judgement) -> tuple[tuple[Stretch, ...], tuple[int, ...]]:
    """The stretches in order, and the cuts of the learning rate across which one of them was joined."""
    steps, assessment = loss.curve.step, judgement.assessment
    begin, end = _judged_points(steps, judgement)
    breaks = {int(np.searchsorted(steps, each.step)): each for each in _breaks(loss, rate)}
    starts: dict[int, BeginsWith] = {0: "run"}
    starts |= {at: each.kind for at, each in breaks.items() if not begin < at < end}
    turn = None
    if judgement.curve is not None:
        starts.setdefault(begin, "start-over")
        turned_at = judgement.turned_step
        turn = begin if turned_at is None else int(np.searchsorted(steps, turned_at))
        if turn > begin:
            starts[turn] = "flat" if assessment.verdict is Verdict.PLATEAU else "break"

    def kind(start: int) -> StretchKind:
        if start >= end:
            return "too-new"
        if start >= begin:
            return "latest" if start == turn else "descent"
        left_out = starts.get(begin) == "start-over" and start == max(at for at in starts if at < begin)
        return "start" if left_out else "earlier"

    ordered = sorted(starts)
    stretches = tuple(
        Stretch(int(steps[start]), int(steps[after - 1]), kind(start), starts[start])
        for start, after in zip(ordered, [*ordered[1:], len(steps)], strict=True)
    )
    return stretches, tuple(each.step for at, each in breaks.items() if begin < at < end)


def _judged_points(steps: NDArray[np.int64], judgement: Judgement) -> tuple[int, int]:
    """The first of the points that were judged, and the one after the last; where nothing was, from where on not."""
    assessment = judgement.assessment
    begin = 0 if assessment.first_step is None else int(np.searchsorted(steps, assessment.first_step))
    if judgement.curve is None or assessment.last_step is None:
        return begin, begin
    return begin, int(np.searchsorted(steps, assessment.last_step, side="right"))


def _breaks(loss: LossCurve, rate: Rate | None) -> list[HardBreak]:
    return hard_breaks(int(loss.curve.step[0]), int(loss.curve.step[-1]), rate, loss.restarts)
