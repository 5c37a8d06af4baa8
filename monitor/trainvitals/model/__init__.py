"""The values that travel through the house: a run as it was logged, and what was found in it.

Everything here is frozen. Array axes are written as suffixes: ``[T]`` is time, ``[T, L]`` is time by layer.
"""

from trainvitals.model.diagnosis import Diagnosis, NotAssessed, RootCause, SignalSummary
from trainvitals.model.finding import LIKELIER_THAN_NOT, WHY_UNKNOWN, Cause, Evidence, Finding, Suggestion, Verify
from trainvitals.model.run import Problem, Restart, Run
from trainvitals.model.series import FloatArray, HistogramSeries, LayerSeries, Series, StepArray
from trainvitals.model.verdict import Progress, Reason, Severity, Status, Verdict, likelihood_in_words

__all__ = [
    "LIKELIER_THAN_NOT",
    "WHY_UNKNOWN",
    "Cause",
    "Diagnosis",
    "Evidence",
    "Finding",
    "FloatArray",
    "HistogramSeries",
    "LayerSeries",
    "NotAssessed",
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
    "Verdict",
    "Verify",
    "likelihood_in_words",
]
