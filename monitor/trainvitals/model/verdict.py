"""The words of a verdict: severity, status, progress and its reason, likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainvitals.model.finding import Cause

# Words for confidence, and what they kept on the exam of faults when they were set, on 132 warnings of development
# cases and on 86 of those held out: likely 12 of 12 and 10 of 12, very likely 103 of 104 and 61 of 63, certain 16 of 16
# and 11 of 11. The last bound was 0.97: of the development cases 8 of 9 were right there, of their beginnings 14 of 19.
# benchmarks/exam/calibration.py measures what they keep now. Of less than a half something else is likelier.
LIKELIER_THAN_NOT = 0.5
VERY_LIKELY_FROM = 0.8
CERTAIN_FROM = 0.98
# What the eye calls another level where it looks for a flat one, too.
MUCH_WORSE_SHARE = 0.1


class Severity(StrEnum):
    """How much a finding matters. Warning only where something should be changed."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return ("info", "warning", "error").index(self.value)


class Status(StrEnum):
    """The verdict on a whole run."""

    HEALTHY = "healthy"
    WARNING = "warning"
    ERROR = "error"
    UNDETERMINED = "undetermined"


class Verdict(StrEnum):
    """Is it still getting better?"""

    PLATEAU = "PLATEAU"
    SLOW = "SLOW"
    PROGRESSING = "PROGRESSING"
    REGRESSING = "REGRESSING"
    INCONCLUSIVE = "INCONCLUSIVE"


class Reason(StrEnum):
    """What qualifies a progress verdict."""

    CONVERGED = "converged"
    LR_LIMITED = "lr-limited"
    SCHEDULE_END = "schedule-end"
    NOISE_LIMITED = "noise-limited"
    TOO_FEW_POINTS = "too-few-points"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress verdict and the expected gain of continuing, in the unit of the signal.

    Args:
        signal: the tag that was judged; None where the run has no loss.
        gain: expected decrease over the next ``horizon_steps``; positive is better.
        gain_low, gain_high: its 90 % interval.
        delta: the smallest gain that counts as progress.
        minimum_detectable_gain: what the noise would have let us see.
        since_step: where a plateau, or the last regime, began.
        turned_step: where the loss became flat, or left the law of its descent; None where it did neither.
        level: where the signal stands now.
        points: how many of its points were judged; points_needed: about how many a clear verdict would take.
        causes: of a slow progress, the likeliest first.
    """

    signal: str | None
    verdict: Verdict
    reason: Reason | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    horizon_steps: int | None = None
    delta: float | None = None
    minimum_detectable_gain: float | None = None
    since_step: int | None = None
    turned_step: int | None = None
    level: float | None = None
    points: int = 0
    points_needed: int | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge at all; a noisy but long curve was judged, if inconclusively."""
        return self.signal is not None and self.reason is not Reason.TOO_FEW_POINTS

    @property
    def gets_much_worse(self) -> bool:
        """Whether the loss rises by a tenth of itself or more within the horizon: no creeping, and nothing healthy."""
        if self.verdict is not Verdict.REGRESSING or self.gain is None or self.level is None:
            return False
        return -self.gain >= MUCH_WORSE_SHARE * abs(self.level)


def likelihood_in_words(confidence: float) -> str:
    """``possible``, ``likely``, ``very likely`` or ``certain``."""
    if confidence >= CERTAIN_FROM:
        return "certain"
    if confidence >= VERY_LIKELY_FROM:
        return "very likely"
    return "likely" if confidence > LIKELIER_THAN_NOT else "possible"
