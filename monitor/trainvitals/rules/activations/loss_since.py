"""What the training loss has done since something happened inside the model: whether it hurts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.model import Evidence, Verdict
from trainvitals.view import RunView

FEWEST_POINTS = 3
STUCK_GAIN = 0.05
"""Share of its first level: a loss that has lost less has practically not moved."""

EXCUSING_GAIN = 0.3
"""Share of its level: a loss that has lost a third since then has found a way down."""

RECENT_SHARE = 0.1
"""Of what came before: its level when it happened."""

BLOCKS = 20
SHARE_LOST = 0.5
"""Of the progress since the start, as in diverging-loss."""

BEYOND_NOISE = 3.0
"""Standard deviations of the noise of a point, by which a level must rise to count as worse: chance moves the median of
many points by far less."""

SMALLEST_RISE = 0.05
"""Of the level: less is not worth an alarm, whatever the noise."""


@dataclass(frozen=True, slots=True)
class LossSince:
    """A loss before and after.

    Args:
        before: its level when it happened; None where it was so from the start. since: the level at the end.
        first: its level at the start. noise: of a point before. broken: some of what follows is not finite.
        falls: whether it still gets better. ill_before: whether it had blown up already when it happened; then the loss
            is not ill because of it.
    """

    tag: str
    before: float | None
    since: float
    first: float
    noise: float
    broken: bool
    falls: bool
    ill_before: bool = False

    @property
    def worse(self) -> bool:
        """Whether it was well, and is clearly higher than it was, or broke."""
        if self.ill_before:
            return False
        if self.broken:
            return True
        if self.before is None:
            return False
        rise = max(BEYOND_NOISE * self.noise, SMALLEST_RISE * abs(self.before))
        return self.since > self.before + rise

    @property
    def stuck_at_start(self) -> bool:
        """Whether it has never moved."""
        return not self.falls and self.since > self.first - STUCK_GAIN * abs(self.first)

    @property
    def gained(self) -> float:
        """Share of its level that it has lost since."""
        level = self.first if self.before is None else self.before
        return (level - self.since) / abs(level) if level and not self.broken else 0.0

    def evidence(self) -> Evidence:
        """What it did, in words."""
        was = self.first if self.before is None else self.before
        now = "is not finite any more" if self.broken else f"went from {was:.4g} to {self.since:.4g}"
        return Evidence(f"{self.tag} {now} meanwhile", signal=self.tag, value=self.since)


def loss_since(view: RunView, step: int | None) -> LossSince | None:
    """What the training loss did since a step, or since the start; None where too little of it was recorded."""
    loss = view.train_loss
    if loss is None or len(loss) < 2 * FEWEST_POINTS:
        return None
    value = np.asarray(loss.curve.value, np.float64)
    first = float(np.median(value[: max(FEWEST_POINTS, len(value) // 50)]))
    falls = view.assess(loss).verdict in (Verdict.PROGRESSING, Verdict.SLOW)
    early = np.zeros(len(value), bool) if step is None else loss.curve.step < step
    before, after = value[early], value[~early]
    if len(after) < FEWEST_POINTS:
        return None
    recorded_early = np.zeros(len(loss.recorded), bool) if step is None else loss.recorded.step < step
    finite = np.isfinite(loss.recorded.value)
    broken = not bool(finite[~recorded_early].all())
    since = float(np.median(after[len(after) // 2 :]))
    if len(before) < FEWEST_POINTS:
        return LossSince(loss.tag, None, since, first, 0.0, broken, falls)
    recent = before[-max(FEWEST_POINTS, round(RECENT_SHARE * len(before))) :]
    noise = difference_noise_sd(recent)
    noise = noise if np.isfinite(noise) else 0.0
    ill = _is_ill(before, first, noise) or not bool(finite[recorded_early].all())
    return LossSince(loss.tag, float(np.median(recent)), since, first, noise, broken, falls, ill)


def _is_ill(before: NDArray[np.float64], first: float, noise: float) -> bool:
    """Whether a loss has given back half of its progress by the end of a stretch, or is above its start."""
    best = min(float(np.median(block)) for block in np.array_split(before, min(BLOCKS, len(before) // FEWEST_POINTS)))
    now = float(np.median(before[-max(FEWEST_POINTS, len(before) // BLOCKS) :]))
    return now > best + max(SHARE_LOST * (first - best), BEYOND_NOISE * noise, SMALLEST_RISE * abs(best))
