"""Is a loss still getting better? Segmentation, two forecasts, an equivalence test, and why it stopped."""

from trainvitals.progress.assessment import Assessment, ProgressLimits, assess_progress
from trainvitals.progress.descent import Descent

__all__ = ["Assessment", "Descent", "ProgressLimits", "assess_progress"]
