"""How a run stands, as a few lines of Markdown: what TensorBoard shows of it as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trainvitals.model import Diagnosis, Finding
from trainvitals.reporters import wording
from trainvitals.reporters.live_lines import verdict
from trainvitals.reporters.markdown_text import plain


def markdown_summary(diagnosis: Diagnosis, findings: Iterable[Finding]) -> str:
    """The verdict, then each finding with its likeliest cause and the first thing to try.

    Args:
        diagnosis: the newest of the run.
        findings: what was told of it, resolved ones too.
    """
    at = "" if diagnosis.last_step is None else f" (step {wording.step(diagnosis.last_step)})"
    return "\n".join([f"**{plain(verdict(diagnosis))}**{at}", "", *_items(findings)])


def _items(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        level = "resolved" if finding.state == "resolved" else finding.severity.value
        headline = plain(wording.finding_headline(finding))
        yield f"- **{level}** {headline}: {plain(finding.summary)}"
        if finding.state == "resolved":
            continue
        if finding.unexplained is not None:
            yield f"    - {plain(finding.unexplained)}"
        for cause in [cause for cause in finding.causes if not cause.is_ruled_out][:1]:
            if cause.name != finding.name:
                yield f"    - why: {plain(cause.name)}{plain(_because(cause.evidence_for))}"
        for suggestion in finding.interventions[:1]:
            yield f"    - try: {plain(suggestion.summary)}"


def _because(reasons: tuple[str, ...]) -> str:
    return f": {reasons[0]}" if reasons else ""
