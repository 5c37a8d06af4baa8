"""Where a learning rate was raised to a new height in one go, and what the loss made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence
from trainvitals.rules.rule import Threshold
from trainvitals.rules.updates.outcome import Turn, turn_at
from trainvitals.rules.updates.sizes import update_sizes
from trainvitals.view import RunView

FEWEST_RATES = 5
NEW_HIGH = 1.5
"""Over the highest rate before. A warm restart goes back to where the rate has been, and is none."""

MOST_JUMPS = 5
"""Looked at, the largest first; a schedule that jumps more often is looked at where it jumps most."""

LARGEST_OVERLAP = 0.1
"""Of the values since a jump: as many may lie below nine in ten of those before."""

SMALLEST_JUMP = Threshold(
    "smallest_jump",
    2.0,
    "Searches over rates go by factors of three; a schedule moves by less between two records.",
    "convention",
)
SMALLEST_RISE = Threshold(
    "smallest_rise",
    1.1,
    "Less than a tenth above the level before may be what exploring costs at a higher rate.",
    "as for diverging-loss",
)


@dataclass(frozen=True, slots=True)
class RateJump:
    """A learning rate that was raised to a new height in one go.

    Args:
        tag: of the rate; before, after: its values. from_step, to_step: of the two records.
        loss: before and since. ratio_before, ratio_after: update ratios of the median matrix; NaN where not logged.
    """

    tag: str
    before: float
    after: float
    from_step: int
    to_step: int
    loss: Turn
    ratio_before: float
    ratio_after: float

    @property
    def factor(self) -> float:
        """Times the rate before."""
        return self.after / self.before

    @property
    def harm_in_words(self) -> str:
        """What became of the loss."""
        loss = self.loss
        return "becomes NaN or infinite" if loss.lost else f"rises from {loss.before:.3g} to {loss.since:.3g}"

    def harmed(self, limits: Mapping[str, float]) -> bool:
        """Whether the jump is large enough to count, and the loss lies above where it was, lastingly or for long."""
        loss = self.loss
        if self.after < limits[SMALLEST_JUMP.name] * self.before:
            return False
        high = max(loss.high_before, limits[SMALLEST_RISE.name] * loss.before)
        until_the_end = loss.overlap <= LARGEST_OVERLAP and loss.end > high
        for_long = loss.next_overlap <= LARGEST_OVERLAP and loss.next_level > high
        return loss.lost or until_the_end or for_long

    def evidence(self, limits: Mapping[str, float]) -> Iterator[Evidence]:
        """The jump, what the loss did, and what the updates did where they were recorded."""
        loss = self.loss
        yield Evidence(
            f"{self.tag} goes from {self.before:.3g} to {self.after:.3g} between steps {self.from_step:,} and "
            f"{self.to_step:,}",
            signal=self.tag,
            value=self.factor,
            threshold=limits[SMALLEST_JUMP.name],
            step=self.to_step,
        )
        yield Evidence(
            f"{loss.tag} {self.harm_in_words}; {1 - loss.overlap:.0%} of the values since are above nine in ten before",
            signal=loss.tag,
            value=loss.since,
            threshold=limits[SMALLEST_RISE.name] * loss.before,
            step=self.to_step,
        )
        if self.ratio_after > self.ratio_before:
            yield Evidence(
                f"updates went from {self.ratio_before:.2g} to {self.ratio_after:.2g} of the weights",
                value=self.ratio_after,
                threshold=self.ratio_before,
                step=self.to_step,
            )


def rate_jumps(view: RunView) -> Iterator[RateJump]:
    """The jumps of the rate to a new height, the largest first, around which the loss was recorded often enough."""
    rate = view.learning_rate
    if rate is None or len(rate) < FEWEST_RATES:
        return
    value = np.asarray(rate.value, np.float64)
    highest = np.maximum.accumulate(value)[:-1]
    at = np.flatnonzero((value[1:] >= NEW_HIGH * highest) & (value[:-1] > 0)) + 1
    at = at[np.argsort(-(value[at] / value[at - 1]), kind="stable")][:MOST_JUMPS]
    for index in at:
        before, after = int(rate.step[index - 1]), int(rate.step[index])
        turn = turn_at(view.train_loss or view.val_loss, before + 1)
        if turn is not None:
            ratios = _ratios(view, before, after)
            yield RateJump(rate.tag, float(value[index - 1]), float(value[index]), before, after, turn, *ratios)


def _ratios(view: RunView, before: int, after: int) -> tuple[float, float]:
    sizes = update_sizes(view)
    if sizes is None:
        return float("nan"), float("nan")
    earlier = sizes.middle[sizes.step <= before]
    later = sizes.middle[sizes.step >= after]
    return float(np.nan if not len(earlier) else earlier[-1]), float(np.nan if not len(later) else later[0])
