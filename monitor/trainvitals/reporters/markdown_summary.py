"""How a run stands, as a few lines of Markdown: what TensorBoard shows of it as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from trainvitals.model import Diagnosis, Finding
from trainvitals.reporters import wording
from trainvitals.reporters.live_lines import verdict
from trainvitals.reporters.visible import visible

# What Markdown or HTML would take for more than text.
_MARKUP = re.compile(r"([\\`*_<>\[\]|#])")


def markdown_summary(diagnosis: Diagnosis, findings: Iterable[Finding]) -> str:
    """The verdict, then each finding with its likeliest cause and the first thing to try.

    Args:
        diagnosis: the newest of the run.
        findings: what was told of it, resolved ones too.
    """
    at = "" if diagnosis.last_step is None else f" (step {wording.step(diagnosis.last_step)})"
    return "\n".join([f"**{_plain(verdict(diagnosis))}**{at}", "", *_items(findings)])


def _items(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        level = "resolved" if finding.state == "resolved" else finding.severity.value
        headline = _plain(wording.finding_headline(finding))
        yield f"- **{level}** {headline}: {_plain(finding.summary)}"
        if finding.state == "resolved":
            continue
        if finding.unexplained is not None:
            yield f"    - {_plain(finding.unexplained)}"
        for cause in [cause for cause in finding.causes if not cause.is_ruled_out][:1]:
            if cause.name != finding.name:
                yield f"    - why: {_plain(cause.name)}{_plain(_because(cause.evidence_for))}"
        for suggestion in finding.interventions[:1]:
            yield f"    - try: {_plain(suggestion.summary)}"


def _because(reasons: tuple[str, ...]) -> str:
    return f": {reasons[0]}" if reasons else ""


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", visible(text))
