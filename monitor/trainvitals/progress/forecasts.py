"""Ways in which a curve may go on: straight, along a law of descent, by falls as large as its latest, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.equivalence import Interval
from trainvitals.maths.forecast import Kind, fit_law, law_gains
from trainvitals.maths.trend import fit_line
from trainvitals.progress.curve import BlockCurve

# Large models follow power laws; small ones go exponentially to the noise floor of their learning rate.
LAWS: tuple[Kind, ...] = ("power", "exponential")
# A fall of which every single step is larger than twice the noise of a difference is no matter of luck, whatever its
# form: laws miss a fall that gets faster, or bends twice, by far more than its noise, and would call that noise.
STEP_SCORE = 2.0


class Forecast(Protocol):
    """One way in which a curve may go on. Gains are decreases after its last block, in the unit of the loss."""

    @property
    def kind(self) -> Literal["line", "law", "steps", "held"]: ...

    @property
    def curve(self) -> BlockCurve:
        """The blocks that it is made from."""

    def fitted(self) -> NDArray[np.float64]:
        """``[M]`` its value at each of them; from the last one it goes on."""

    def gains(self, horizons: NDArray[np.float64], confidence: float) -> list[Interval]:
        """The gain over each of ``[H]`` positive numbers of steps, and its two-sided interval."""


@dataclass(frozen=True, slots=True, eq=False)
class LineForecast:
    """Straight on. ``correlation`` is an upper bound of the noise's lag-one correlation, where one is known."""

    curve: BlockCurve
    correlation: float | None = None
    kind: Literal["line"] = "line"

    def fitted(self) -> NDArray[np.float64]:
        return fit_line(self.curve.time, self.curve.value, self.correlation).at(self.curve.time)

    def gains(self, horizons: NDArray[np.float64], confidence: float) -> list[Interval]:
        line = fit_line(self.curve.time, self.curve.value, self.correlation)
        changes = (line.change(float(horizon), confidence) for horizon in horizons)
        return [Interval(0.0 - change, 0.0 - high, 0.0 - low) for change, low, high in changes]


@dataclass(frozen=True, slots=True, eq=False)
class LawForecast:
    """Along the closest law of descent, whichever that may be."""

    curve: BlockCurve
    kind: Literal["law"] = "law"

    def fitted(self) -> NDArray[np.float64]:
        curve = self.curve
        law = fit_law(curve.time, curve.value, LAWS, lowest_floor=curve.lowest_floor, weights=curve.weights)
        return law.predict(curve.time)

    def gains(self, horizons: NDArray[np.float64], confidence: float) -> list[Interval]:
        return law_gains(
            self.curve.time,
            self.curve.value,
            LAWS,
            horizons,
            confidence=confidence,
            lowest_floor=self.curve.lowest_floor,
            weights=self.curve.weights,
        )


@dataclass(frozen=True, slots=True, eq=False)
class StepForecast:
    """A fall in large steps at its latest pace: at least one more of its smallest steps, at most all of them at its
    fastest pace."""

    curve: BlockCurve
    kind: Literal["steps"] = "steps"

    @classmethod
    def of(cls, curve: BlockCurve, noise_sd: float) -> StepForecast | None:
        """None where any step is within the noise of a block, ``noise_sd``."""
        smallest = float((-np.diff(curve.value)).min())
        return cls(curve) if smallest > STEP_SCORE * np.sqrt(2.0) * noise_sd else None

    def fitted(self) -> NDArray[np.float64]:
        return self.curve.value

    def gains(self, horizons: NDArray[np.float64], confidence: float) -> list[Interval]:  # noqa: ARG002
        return [self._gain(float(horizon)) for horizon in horizons]

    def _gain(self, horizon: float) -> Interval:
        steps = -np.diff(self.curve.value)
        paces = steps / np.diff(self.curve.time)
        most = float(self.curve.value[-1]) if self.curve.lowest_floor == 0 else np.inf
        low = min(float(steps.min()), most)
        estimate = min(max(float(paces[-1]) * horizon, low), most)
        return Interval(estimate, low, min(max(float(paces.max()) * horizon, estimate), most))


@dataclass(frozen=True, slots=True, eq=False)
class HeldForecast:
    """One value to the last digit, for good."""

    curve: BlockCurve
    kind: Literal["held"] = "held"

    def fitted(self) -> NDArray[np.float64]:
        return np.full(len(self.curve), self.curve.value[-1])

    def gains(self, horizons: NDArray[np.float64], confidence: float) -> list[Interval]:  # noqa: ARG002
        return [Interval(0.0, 0.0, 0.0)] * len(horizons)
