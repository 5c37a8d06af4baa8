"""How bad something is, as colour, icon and word at once: never by colour alone."""

from __future__ import annotations

from trainvitals.model import Severity, Status
from trainvitals.reporters import wording

STATUS_ICONS = {
    Status.ERROR: ":material/error:",
    Status.WARNING: ":material/warning:",
    Status.HEALTHY: ":material/check_circle:",
    Status.UNDETERMINED: ":material/help:",
}
SEVERITY_ICONS = {
    Severity.ERROR: ":material/error:",
    Severity.WARNING: ":material/warning:",
    Severity.INFO: ":material/info:",
}
_STATUS_COLOURS = {
    Status.ERROR: "red",
    Status.WARNING: "orange",
    Status.HEALTHY: "green",
    Status.UNDETERMINED: "gray",
}
_SEVERITY_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}


def status_badge(status: Status) -> str:
    """``sick``, ``healthy`` or ``cannot tell yet`` as Markdown."""
    return f":{_STATUS_COLOURS[status]}-badge[{STATUS_ICONS[status]} {wording.STATUS_WORDS[status]}]"


def severity_badge(severity: Severity) -> str:
    """``error``, ``warning`` or ``info`` as Markdown."""
    return f":{_SEVERITY_COLOURS[severity]}-badge[{SEVERITY_ICONS[severity]} {severity.value}]"
