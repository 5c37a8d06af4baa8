"""Signs beside the words for severity and status, so that neither is told by colour alone."""

from __future__ import annotations

from trainvitals.model import Severity, Status

SEVERITY_SIGNS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}
STATUS_SIGNS = {Status.ERROR: "✖", Status.WARNING: "▲", Status.HEALTHY: "✔", Status.UNDETERMINED: "?"}
