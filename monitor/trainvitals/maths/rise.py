"""A rise from which a curve does not come back: how large, how unusual for this curve, and where it began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.comparison import comparison_scale
from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import Floats, mad_scale

# Levels are medians of blocks: enough blocks that one is well under 2 % of the run, the accuracy asked of an onset.
BLOCKS = 150
# Below this length every point is its own block: a block of three would be a tenth of the curve.
POINTS_FOR_BLOCKS = 30
SMALLEST_BLOCK = 3
# The end counts as risen only where every one of the last levels has: two blocks, and three points at least.
LAST_BLOCKS, LAST_POINTS = 2, 3
# The rise began after the last level within this share of it from the best: what went before is the curve's own past.
FOOT_SHARE = 0.2
# The noise of fewer points before the rise is not worth estimating; the whole curve's is used.
POINTS_FOR_NOISE = 10
# Soon after the start nearly all that came before is the descent; there the rest is held against the stretch at the
# best level, nearer to it than to the end.
SOON_SHARE, HALF = 0.2, 0.5
# "As high as before" means above this quantile of what was before; a few outliers shall not count.
HIGH_QUANTILE = 0.9
# The onset is fitted to the foot of the rise alone, from the last level within the first number of standard deviations
# of noise to the first beyond the second (or this factor): what follows, saturation or growth faster than exponential,
# has another shape, and so has the steep start of a curve long before.
FOOT_FROM_SDS, FOOT_TO_SDS = 4.0, 12.0
FOOT_TO_LOGARITHM = float(np.log(1.5))
# Before the foot, so many times its length and at least so many points show where the curve was heading.
CONTEXT_LENGTHS, CONTEXT_POINTS = 3, 30
# Shapes that a rise may begin with: a jump, and powers of the time since the onset.
ONSET_POWERS = (0, 1, 2)
# At most this many points enter the fit; more would only cost time.
FITTED_POINTS = 400
POINTS_BEFORE_ONSET = 4


@dataclass(frozen=True, slots=True)
class Rise:
    """How far a curve ends above its best level, and what that means for this curve.

    Levels are medians in the unit of the curve; sizes are on the comparison scale, which is the natural logarithm
    where ``logarithmic`` holds.

    Args:
        onset: index of the first point of the rise.
        best_index: index of the first point of the best block.
        start, best, end: levels of the first block, the best one, and the lowest of the last ones.
        size: end above best. from_start: end above start; negative while below it.
        largest: the highest level since the foot of the rise, above best.
        earlier: the largest rise before the onset, from which the curve came back.
        overlap: share of the points since the foot of the rise that are no higher than nine in ten of the equally many
            before its onset, without the descent that first led below the end; soon after the start, of the stretch at
            its best, if less.
        overlap_with_all: the same, of all before.
        noise_sd: of one point.
        fall: start above best.
        points_since: how many points since the onset.
    """

    onset: int
    best_index: int
    start: float
    best: float
    end: float
    size: float
    from_start: float
    largest: float
    earlier: float
    overlap: float
    overlap_with_all: float
    noise_sd: float
    fall: float
    points_since: int
    logarithmic: bool


def last_rise(value: Floats) -> Rise | None:
    """The rise at the end of a finite curve ``[N]``; None where it ends at its best, or has fewer than 6 points."""
    if len(value) < 2 * LAST_POINTS:
        return None
    level, logarithmic = comparison_scale(value)
    blocks, first_point, width = _block_medians(level)
    last = max(LAST_BLOCKS, -(-LAST_POINTS // width))
    end, best = float(blocks[-last:].min()), float(blocks.min())
    size = end - best
    # Between values at both ends of what a number can hold there is no finite distance.
    if not 0 < size < np.inf:
        return None
    foot = int(np.flatnonzero(blocks <= best + FOOT_SHARE * size)[-1])
    if foot >= len(blocks) - last:
        return None
    before = level[: int(first_point[foot]) + width]
    noise_sd = _noise_sd(before, blocks[: foot + 1], width, level)
    start = float(np.median(level[: max(width, LAST_POINTS)]))
    low = np.flatnonzero(blocks <= best + min(FOOT_SHARE * size, FOOT_FROM_SDS * noise_sd))
    best_index = int(first_point[int(np.argmin(blocks))])
    onset = _onset(level, best_index, best, int(first_point[low[-1]]), size, noise_sd)
    past = blocks[first_point + width <= onset]
    # The descent from the start is no height that the curve has come back from.
    descended = int(first_point[int(np.argmax(blocks <= end))])
    risen = level[max(onset, int(first_point[foot]) + width) :]
    stretch = _best_stretch(level, blocks, first_point, width, best + HALF * size)
    at_best = _overlap(stretch, risen) if onset <= SOON_SHARE * len(level) else 1.0
    unit = np.exp if logarithmic else float
    return Rise(
        onset=onset,
        best_index=best_index,
        start=float(unit(start)),
        best=float(unit(best)),
        end=float(unit(end)),
        size=size,
        from_start=end - start,
        largest=float(blocks[foot:].max()) - best,
        earlier=float(np.max(past - np.minimum.accumulate(past), initial=0.0)),
        overlap=min(
            at_best, _overlap(level[max(descended, onset - max(len(level) - onset, POINTS_FOR_NOISE)) : onset], risen)
        ),
        overlap_with_all=min(at_best, _overlap(level[descended:onset], risen)),
        noise_sd=noise_sd,
        fall=start - best,
        points_since=len(level) - onset,
        logarithmic=logarithmic,
    )


def _block_medians(level: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Medians ``[M]`` of equally long blocks, the index of each one's first point, and their length in points."""
    width = 1 if len(level) < POINTS_FOR_BLOCKS else max(SMALLEST_BLOCK, len(level) // BLOCKS)
    count = len(level) // width
    skipped = len(level) - count * width
    medians = np.median(level[skipped:].reshape(count, width), axis=1)
    return medians, skipped + width * np.arange(count, dtype=np.int64), width


def _noise_sd(
    before: NDArray[np.float64], blocks: NDArray[np.float64], width: int, level: NDArray[np.float64]
) -> float:
    if len(before) < POINTS_FOR_NOISE:
        return difference_noise_sd(level)
    around_blocks = before[len(before) - width * len(blocks) :] - np.repeat(blocks, width)
    return max(mad_scale(around_blocks), difference_noise_sd(before))


def _best_stretch(
    level: NDArray[np.float64], blocks: NDArray[np.float64], first_point: NDArray[np.int64], width: int, high: float
) -> NDArray[np.float64]:
    """The points around the best block up to the next that is high; none where they are too few to be a level."""
    best, above = int(np.argmin(blocks)), np.flatnonzero(blocks > high)
    earlier, later = above[above < best], above[above > best]
    begin = int(first_point[earlier[-1]]) + width if len(earlier) else int(first_point[0])
    end = int(first_point[later[0]]) if len(later) else len(level)
    return level[begin:end] if end - begin >= POINTS_FOR_NOISE else level[:0]


def _overlap(before: NDArray[np.float64], since: NDArray[np.float64]) -> float:
    return float(np.mean(since <= np.quantile(before, HIGH_QUANTILE))) if len(before) and len(since) else 1.0


def _onset(level: NDArray[np.float64], best_index: int, best: float, foot: int, size: float, noise_sd: float) -> int:
    """Index of the first risen point: where a line that turns into a rise fits the foot of the rise best.

    Where a steep start turns into a slower descent is such a place too; no rise begins before the best level.
    """
    risen = best + min(0.5 * size, max(FOOT_TO_SDS * noise_sd, FOOT_TO_LOGARITHM))
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(level[foot:], LAST_POINTS), axis=1)
    reached = np.flatnonzero(smooth >= risen)
    stop = foot + (int(reached[0]) if len(reached) else len(smooth)) + LAST_POINTS
    start = max(0, foot - max(CONTEXT_POINTS, CONTEXT_LENGTHS * (stop - foot)))
    index = np.arange(start, stop, -(-(stop - start) // FITTED_POINTS))
    time = (index - start).astype(np.float64)
    # Squares of what a log may hold would overflow.
    curve = (level[index] - best) / float(np.max(np.abs(level[index] - best), initial=np.finfo(float).tiny))
    best_fit, onset = np.inf, foot
    earliest = max(POINTS_BEFORE_ONSET, int(np.searchsorted(index, best_index)))
    for candidate in range(min(earliest, len(index) - 1), len(index)):
        since = np.maximum(time - time[candidate - 1], 0.0)
        for power in ONSET_POWERS:
            shape = np.where(since > 0, since**power, 0.0)
            design = np.stack([np.ones_like(time), time, shape], axis=1)
            solution, *_ = np.linalg.lstsq(design, curve, rcond=None)
            misfit = float(np.sum((curve - design @ solution) ** 2))
            if solution[2] > 0 and misfit < best_fit * (1 - 1e-9):
                best_fit, onset = misfit, int(index[candidate])
    return onset
