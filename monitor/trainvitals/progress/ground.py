"""Whether a run has won new ground: what the eye sees in the whole curve, beside what the forecasts prove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.maths.robust import running_median
from trainvitals.progress.curve import BlockCurve

# To the eye a curve is flat where it stays within a twentieth of its whole descent. A slow power law looks flat too,
# so this is worth saying only of runs whose progress cannot be proved, and only where it holds for most of the run.
LOOKS_FLAT_SHARE = 0.05
# Where little is left of a loss, a tenth of what is left counts too: 0.2 to 0.1 is new ground even after a start at 10.
SAME_LEVEL_SHARE = 0.1
LATEST_BEGIN_SHARE = 1.0 / 3.0
# One lucky block does not show that the curve was lower once: of three, the middle one counts.
SMOOTH_BLOCKS = 3
# The lowest of so many still lies one and a half times the noise of a block too low, and the level is known to a half.
LOWEST_SCORE = 2.0


@dataclass(frozen=True, slots=True)
class NoNewGround:
    """For most of the run the loss has stayed where it once was, to a twentieth of its descent and a tenth of itself,
    give or take the noise of what was averaged.

    Args:
        since_step: when it first came so low; level: how low.
        recovering: it rose by more than that in between, and has only come back.
    """

    since_step: int
    level: float
    recovering: bool


def new_ground(curve: BlockCurve, start_level: float) -> NoNewGround | None:
    """Whether a curve has won no new ground for two thirds of its time; None where it has, or where it has risen.

    Args:
        start_level: the loss at the beginning of the run.
    """
    descent = max(start_level, float(curve.value[0])) - curve.level
    noise_sd = difference_noise_sd(curve.value)
    band = LOOKS_FLAT_SHARE * descent
    near = band if curve.lowest_floor < 0 else min(band, SAME_LEVEL_SHARE * curve.level)
    smooth = running_median(curve.value, SMOOTH_BLOCKS)
    reached = np.flatnonzero((curve.value <= curve.level + near) | (smooth <= curve.level + near + noise_sd))
    never_lower = float(smooth.min()) >= curve.level - band - LOWEST_SCORE * noise_sd
    if not descent > band + noise_sd or len(reached) == 0 or not never_lower:
        return None
    first = int(reached[0])
    if curve.time[first] - curve.time[0] > LATEST_BEGIN_SHARE * (curve.time[-1] - curve.time[0]):
        return None
    highest_since = float(smooth[first:].max())
    return NoNewGround(
        int(curve.first_step[first]), float(curve.value[first]), highest_since > curve.level + 2 * band + noise_sd
    )
