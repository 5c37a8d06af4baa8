"""The values that travel through the house: a run as it was logged, and what was found in it.

Everything here is frozen. Array axes are written as suffixes: ``[T]`` is time, ``[T, L]`` is time by layer.
"""

from trainvitals.model.diagnosis import Diagnosis, NotAssessed, RootCause, SignalSummary
from trainvitals.model.finding import (
    WHY_UNKNOWN,
    Basis,
    Cause,
    Dialect,
    Evidence,
    Finding,
    Suggestion,
    Undo,
    Verify,
)
from trainvitals.model.outcome import FindingOutcome, MarkedChange, Measured, Moved, Outcome, Parts, Verified
from trainvitals.model.run import Marker, Problem, Restart, Run
from trainvitals.model.series import FloatArray, HistogramSeries, LayerSeries, Series, StepArray
from trainvitals.model.verdict import Progress, Reason, Severity, Status, Verdict, likelihood_in_words

__all__ = [
    "WHY_UNKNOWN",
    "Basis",
    "Cause",
    "Diagnosis",
    "Dialect",
    "Evidence",
    "Finding",
    "FindingOutcome",
    "FloatArray",
    "HistogramSeries",
    "LayerSeries",
    "MarkedChange",
    "Marker",
    "Measured",
    "Moved",
    "NotAssessed",
    "Outcome",
    "Parts",
    "Problem",
    "Progress",
    "Reason",
    "Restart",
    "RootCause",
    "Run",
    "Series",
    "Severity",
    "SignalSummary",
    "Status",
    "StepArray",
    "Suggestion",
    "Undo",
    "Verdict",
    "Verified",
    "Verify",
    "likelihood_in_words",
]
