"""Is a loss still getting better? Segmentation, two forecasts, an equivalence test, and why it stopped."""

from trainvitals.progress.assessment import Assessment, Judgement, ProgressLimits, assess_progress, judge_progress
from trainvitals.progress.descent import Descent
from trainvitals.progress.ground import NoNewGround

__all__ = [
    "Assessment",
    "Descent",
    "Judgement",
    "NoNewGround",
    "ProgressLimits",
    "assess_progress",
    "judge_progress",
]
