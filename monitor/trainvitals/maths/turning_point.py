"""Has a curve that should fall turned round, by how much, and is that more than it has done before and undone again?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import Floats, block_means, mad_scale, running_median

BLOCKS = 20
"""A twentieth of the curve is the shortest stretch whose level counts: long enough to average, short enough to date."""

END_BLOCKS = 3
"""At least this many blocks at the end make up its level: the fewest whose median one outlier cannot move."""

NOISE_DEGREES_OF_FREEDOM_SHARE = 0.6
"""Second differences overlap, and a median absolute deviation uses a good third of what a variance does; together a
block adds about 0.6 of a degree of freedom to the noise estimate (0.37 / 0.6, rounded; Rousseeuw and Croux 1993)."""

POINTS_FOR_A_PARABOLA = 6
"""Three are fitted exactly; as many again leave something to measure."""

SMALLEST_NOISE = 1e-9

SHORTER = 4
FEWEST_FOR_TURN = 5
FEWEST_POINTS = 8
"""Of a beginning that is looked at by itself: three before the best, three at it, some after."""


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """The best level of a curve and what came after it. Differences are in the unit of the values that went in.

    Args:
        best_index: index of the smallest value of the stretch with the best level.
        best_level, end_level: medians of blocks around the best one and at the end.
        rise: from the best level to the end.
        low_end: how far the lowest but one of the blocks at the end lies above the best level.
        noise: standard deviation of one block around the trend; wobble: of it from one block to the next.
        healed_rise: the largest rise that the curve has undone again by itself.
        fall: from the first block to the best level.
        blocks, blocks_after: how many there are, and how many of them after the best.
    """

    best_index: int
    best_level: float
    end_level: float
    rise: float
    low_end: float
    noise: float
    wobble: float
    healed_rise: float
    fall: float
    blocks: int
    blocks_after: int

    @property
    def score(self) -> float:
        """The rise in units of the noise."""
        return self.rise / max(self.noise, SMALLEST_NOISE)

    def score_needed(self, smallest: float, false_alarm_rate: float) -> float:
        """The score that noise alone reaches at this rate, at least ``smallest``: few blocks know their noise badly."""
        from scipy.stats import t

        freedom = max(1.0, NOISE_DEGREES_OF_FREEDOM_SHARE * (self.blocks - 2))
        return max(smallest, float(t.ppf(1.0 - false_alarm_rate, freedom)))


def turning_point(value: Floats) -> TurningPoint:
    """The turning point of ``[N]`` values of a curve that should fall.

    The curve becomes at most twenty blocks, robust against spikes; a running median of three of them finds the best
    level, so that one lucky value is no best. The noise is the larger of two estimates: second differences of the
    blocks, which see the wobble from block to block, and the distance from a parabola after the best, which sees a
    slower wandering. What the curve rose and fell again before (the largest depth of
    a bump in the smoothed blocks) tells a saw-tooth from a turn.

    Raises:
        ValueError: fewer than five values.
    """
    if len(value) < FEWEST_FOR_TURN:
        raise ValueError(f"a turning point needs {FEWEST_FOR_TURN} values, not {len(value)}")
    blocks = block_means(np.arange(len(value), dtype=np.float64), value, BLOCKS)
    smooth = running_median(blocks.value, 3)
    best = int(np.argmin(smooth[1:-1])) + 1
    settled = smooth[:-1]  # the last median has two values only and follows either of them
    after = len(blocks) - 1 - best
    end = blocks.value[-max(END_BLOCKS, after // 3) :]
    best_level = float(smooth[best])
    return TurningPoint(
        best_index=_smallest_near(value, blocks.start, best),
        best_level=best_level,
        end_level=float(np.median(end)),
        rise=float(np.median(end)) - best_level,
        low_end=float(np.sort(end)[1]) - best_level,
        noise=_noise(blocks.value, best),
        wobble=difference_noise_sd(blocks.value),
        healed_rise=_deepest_bump(settled),
        fall=float(blocks.value[0]) - best_level,
        blocks=len(blocks),
        blocks_after=after,
    )


def turning_points(value: Floats) -> Iterator[TurningPoint]:
    """The turning point of ``[N]`` values, then those of their first quarter, sixteenth and so on.

    A best within the first blocks of a curve drowns in their means. In a beginning it stands out; the level at the end
    is still that of the whole curve, what was undone counts on every scale, and so does the noise. A beginning whose
    best the curve later falls below has no turn of its own.

    Raises:
        ValueError: fewer than five values.
    """
    whole = turning_point(value)
    yield whole
    points = len(value) // SHORTER
    while points >= FEWEST_POINTS:
        early = turning_point(value[:points])
        lower = whole.best_level - early.best_level
        points //= SHORTER
        if lower < 0:
            continue
        yield replace(
            early,
            end_level=whole.end_level,
            rise=whole.rise + lower,
            low_end=whole.low_end + lower,
            noise=max(early.noise, whole.wobble),
            wobble=max(early.wobble, whole.wobble),
            healed_rise=max(early.healed_rise, whole.healed_rise),
            blocks_after=max(early.blocks_after, whole.blocks - whole.blocks // SHORTER),
        )


def _smallest_near(value: Floats, start: NDArray[np.int64], block: int) -> int:
    edges = np.append(start, len(value))
    low, high = int(edges[max(0, block - 1)]), int(edges[min(block + 2, len(edges) - 1)])
    return low + int(np.argmin(value[low:high]))


def _noise(blocks: NDArray[np.float64], best: int) -> float:
    """The larger of the wobble from block to block and the slower wandering around a parabola after the best."""
    after = blocks[best:-1]  # one wild value at the very end would bend the parabola
    if len(after) < POINTS_FOR_A_PARABOLA:
        return difference_noise_sd(blocks)
    time = np.linspace(-1.0, 1.0, len(after))
    residual = after - np.polyval(np.polyfit(time, after, 2), time)
    lost_to_the_fit = np.sqrt(len(after) / (len(after) - 3))
    return max(difference_noise_sd(blocks), mad_scale(residual) * float(lost_to_the_fit))


def _deepest_bump(smooth: NDArray[np.float64]) -> float:
    lowest_so_far = np.minimum.accumulate(smooth)
    lowest_to_come = np.minimum.accumulate(smooth[::-1])[::-1]
    return float(np.max(smooth - np.maximum(lowest_so_far, lowest_to_come), initial=0.0))
