"""What became of findings from one run to another, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from trainvitals.model import Finding, FindingOutcome, Outcome, Severity, Verified
from trainvitals.reporters import wording
from trainvitals_app import text
from trainvitals_app.badges import SEVERITY_ICONS

_BADGES: dict[Outcome, str] = {
    "new": ":red-badge[:material/add_alert: new]",
    "worse": ":red-badge[:material/trending_up: worse]",
    "unchanged": ":orange-badge[:material/drag_handle: unchanged]",
    "unknown": ":gray-badge[:material/help: cannot tell]",
    "better": ":green-badge[:material/trending_down: better]",
    "resolved": ":green-badge[:material/check_circle: resolved]",
}
_PROMISE_ICONS = {True: ":green[:material/check:]", False: ":red[:material/close:]", None: ":gray[:material/help:]"}


def outcome_line(outcome: FindingOutcome) -> str:
    """What became of a finding: ``resolved  error: plateau since step 3,100 (very likely)``, and why if need be."""
    line = f"{_BADGES[outcome.outcome]} {finding_words(outcome.finding)}"
    if outcome.why is not None:
        return f"{line} :gray[{text.markdown(outcome.why)}]"
    if outcome.outcome in ("worse", "better") and outcome.before is not None:
        return f"{line} :gray[was {text.markdown(wording.finding_headline(outcome.before))}, {outcome.before.severity}]"
    return line


def outcome_details(outcome: FindingOutcome) -> Iterator[str]:
    """How the signal has moved that the finding rests on, and whether what was advised has kept its promise."""
    if outcome.finding.severity is Severity.INFO:
        return
    promises = outcome.verified[: wording.PROMISES_SHOWN]
    told = {verified.verify.signal for verified in promises if verified.change is not None}
    moved = outcome.moved
    if moved is not None and moved.change is not None and moved.signal not in told:
        yield f":material/arrow_right_alt: {text.markdown(wording.moved(moved.signal, moved.change))}"
    for verified in promises:
        yield _promise(verified)


def finding_words(finding: Finding) -> str:
    """``error  non-finite-loss since step 355 (certain)``."""
    return (
        f"{SEVERITY_ICONS[finding.severity]} **{finding.severity}** {text.markdown(wording.finding_headline(finding))}"
    )


def _promise(verified: Verified) -> str:
    advised = ", ".join(text.markdown(name) for name in verified.suggestions)
    return f"{_PROMISE_ICONS[verified.held]} {text.markdown(wording.promise(verified))} :gray[advised by {advised}]"
