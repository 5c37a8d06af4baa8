"""One regime of a loss curve as a short series that the mathematics can afford to look at many times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.noise import difference_noise_sd, noise_exponent
from trainvitals.maths.robust import block_means, running_median

# Blocks whose median stands for the level of a block, when the noise grows with the level.
LEVEL_WIDTH = 5


@dataclass(frozen=True, slots=True, eq=False)
class BlockCurve:
    """Block means of a regime over the time since training began.

    Args:
        time: ``[M]`` positive, in steps; value: ``[M]`` mean loss of each block.
        weights: ``[M]`` inverse variances up to a factor, 1 for the last block.
        first_step: ``[M]`` step of the first point of each block.
        lowest_floor: 0 where no value is negative, else minus infinity: what a law of descent may not undercut.
        noise_sd: of single points.
        steps_done: of the whole run, of which the regime may be a part.
        zero_step: where time counts from, as a step.
    """

    time: NDArray[np.float64]
    value: NDArray[np.float64]
    weights: NDArray[np.float64]
    first_step: NDArray[np.int64]
    lowest_floor: float
    noise_sd: float
    steps_done: float
    zero_step: float

    @classmethod
    def of(
        cls, step: NDArray[np.int64], value: NDArray[np.float64], origin: int, steps_done: int, blocks: int
    ) -> BlockCurve:
        """Average ``[N]`` points, at least two, to at most ``blocks``; time counts from the step ``origin``."""
        spacing = float(np.median(np.diff(step)))
        means = block_means((step - origin).astype(np.float64) + spacing, value, blocks)
        power = noise_exponent(value)
        level = running_median(means.value, LEVEL_WIDTH)
        weights = (level / level[-1]) ** (-2.0 * power) if power > 0 else np.ones(len(means))
        floor = 0.0 if float(value.min()) >= 0 else -np.inf
        return cls(
            means.time,
            means.value,
            weights,
            step[means.start],
            floor,
            difference_noise_sd(value),
            float(steps_done),
            origin - spacing,
        )

    def __len__(self) -> int:
        return len(self.value)

    @property
    def step(self) -> NDArray[np.float64]:
        """``[M]`` the middle of each block, as a step."""
        return self.time + self.zero_step

    @property
    def level(self) -> float:
        """The loss now: the median of the last blocks."""
        return float(np.median(self.value[-LEVEL_WIDTH:]))

    @property
    def scale(self) -> float:
        """What a gain is compared with: the loss now; where losses may be negative, at least their whole range."""
        if self.lowest_floor == 0:
            return abs(self.level)
        return max(abs(self.level), float(np.ptp(self.value)))

    def part(self, begin: int, end: int | None = None) -> BlockCurve:
        """The blocks from ``begin`` to before ``end``."""
        cut = slice(begin, end)
        return BlockCurve(
            self.time[cut],
            self.value[cut],
            self.weights[cut],
            self.first_step[cut],
            self.lowest_floor,
            self.noise_sd,
            self.steps_done,
            self.zero_step,
        )

    def last_share(self, share: float, fewest: int) -> int:
        """Index of the block that begins the last ``share`` of the steps done, at least ``fewest`` from the end."""
        return self.since(self.time[-1] - share * self.steps_done, fewest)

    def since(self, time: float, fewest: int) -> int:
        """Index of the first block at or after ``time``, at least ``fewest`` from the end."""
        return max(0, min(int(np.searchsorted(self.time, time)), len(self) - fewest))
