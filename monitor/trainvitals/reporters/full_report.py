"""What a report with room for everything says of a run, and in which order: the same in HTML and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainvitals.model import Cause, Diagnosis, Evidence, Finding, MarkedChange, NotAssessed, Severity
from trainvitals.reporters import wording
from trainvitals.reporters.run_table import worst_first


@dataclass(frozen=True, slots=True)
class FindingReport:
    """One finding, its causes apart: those that something speaks for, and those that a number rules out."""

    finding: Finding

    @property
    def likely(self) -> list[Cause]:
        """The causes that something speaks for, likeliest first, unless it is the finding itself."""
        causes = [cause for cause in self.finding.causes if not cause.is_ruled_out]
        return causes if causes and causes[0].name != self.finding.name else causes[1:]

    @property
    def would_decide(self) -> str | None:
        """The experiment that would tell which cause it is."""
        causes = (cause for cause in self.finding.causes if not cause.is_ruled_out)
        return next((cause.would_decide for cause in causes), None)

    @property
    def ruled_out(self) -> list[Cause]:
        """The causes that a number speaks against."""
        return [cause for cause in self.finding.causes if cause.is_ruled_out]

    @property
    def evidence(self) -> list[Evidence]:
        """What was measured, without what only says that the cause is not known."""
        return [item for item in self.finding.evidence if item.text != self.finding.unexplained]

    @property
    def unexplained(self) -> str | None:
        """What has to be logged or tried before a cause can be named."""
        said = self.finding.unexplained
        return None if said is None else said.removeprefix("why ")


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run, the problem first.

    Args:
        diagnosis: what is told.
        anchor: by which other parts of the report refer to it.
    """

    diagnosis: Diagnosis
    anchor: str

    @property
    def status_word(self) -> str:
        return wording.STATUS_WORDS[self.diagnosis.status]

    @property
    def headline(self) -> str:
        return wording.headline(self.diagnosis)

    @property
    def is_sick(self) -> bool:
        """Whether anything open should be changed."""
        return wording.worst_open_finding(self.diagnosis) is not None

    @property
    def problems_found(self) -> list[FindingReport]:
        """The open findings at warning or above: the one in the headline first."""
        worst = wording.worst_open_finding(self.diagnosis)
        serious = [each for each in self.diagnosis.open_findings if each.severity is not Severity.INFO]
        return [FindingReport(each) for each in sorted(serious, key=lambda each: each is not worst)]

    @property
    def notes(self) -> list[Finding]:
        """The open findings that are only worth knowing."""
        return [each for each in self.diagnosis.open_findings if each.severity is Severity.INFO]

    @property
    def accepted(self) -> list[Finding]:
        """The findings that somebody accepted."""
        return [each for each in self.diagnosis.findings if each.state == "accepted"]

    @property
    def slow_because(self) -> list[Cause]:
        """Why a run without a problem makes little progress."""
        return [] if self.is_sick else [cause for cause in self.diagnosis.progress.causes if not cause.is_ruled_out]

    @property
    def continuation(self) -> str | None:
        """What going on would bring, where one would ask: of a run that is stuck rather than broken or well."""
        worst = wording.worst_open_finding(self.diagnosis)
        if worst is None or (worst.severity is Severity.ERROR and not wording.is_stuck(worst)):
            return None
        return wording.continuation(self.diagnosis)

    @property
    def not_judged(self) -> list[tuple[str, list[NotAssessed]]]:
        """The rules that could not be judged, by what would have to be logged for them."""
        by_line: dict[str, list[NotAssessed]] = {}
        for rule in self.diagnosis.not_assessed:
            by_line.setdefault(rule.how, []).append(rule)
        return sorted(by_line.items(), key=lambda item: -len(item[1]))


def run_reports(diagnoses: Sequence[Diagnosis]) -> list[RunReport]:
    """The runs in the order in which they are told, the worst first."""
    return [RunReport(diagnosis, f"run-{number}") for number, diagnosis in enumerate(worst_first(diagnoses), start=1)]


def change_head(change: MarkedChange) -> str:
    """``at step 900: lower-lr, 0.001``: what was marked in a run."""
    told = ", ".join(f"{value}" for value in change.marker.details.values()) or change.marker.kind
    return f"at step {wording.step(change.marker.step)}: {told}"


def change_lines(change: MarkedChange) -> list[str]:
    """What became of each finding since a change that was marked."""
    lines = []
    for outcome in change.findings:
        why = "" if outcome.why is None else f" ({outcome.why})"
        details = "; ".join(wording.outcome_details(outcome))
        lines.append(f"{outcome.finding.name} {outcome.outcome}{why}{f'; {details}' if details else ''}")
    return lines or ["nothing was found before it, and nothing since"]
