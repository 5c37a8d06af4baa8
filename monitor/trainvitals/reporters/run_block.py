"""One run on one screen: the problem first, its cause second, then what to try, what it costs, what is unknown."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.text import Text

from trainvitals.model import Cause, Diagnosis, Finding, Problem, Severity, Status, Suggestion, likelihood_in_words
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible

STATUS_STYLES = {
    Status.HEALTHY: "green",
    Status.WARNING: "yellow",
    Status.ERROR: "red",
    Status.UNDETERMINED: "dim",
}

INDENT = "  "
LABEL_WIDTH = 7
# How much of a kind one screen has room for; --verbose shows all.
EVIDENCE_SHOWN = 2
RULED_OUT_SHOWN = 2
ALSO_SHOWN = 3
NOT_JUDGED_SHOWN = 2
MISSING_SHOWN = 4
PROBLEMS_SHOWN = 3
LAYERS_SHOWN = 4
OUTCOMES_SHOWN = 3
DETAILS_SHOWN = 2
# Code of the first suggestion that is short enough to stand beside it.
CODE_LINES_SHOWN = 8
# Closer than this, the right-hand column would read as part of the line; then it is left out.
SMALLEST_GAP = 2


Item = TypeVar("Item")


class RunBlock:
    """The lines of one run's report.

    Args:
        diagnosis: what to report.
        width: columns to wrap at and to right-align to.
        verbose: every finding, all evidence, all suggestions with their code, all that was not judged.
    """

    def __init__(self, diagnosis: Diagnosis, *, width: int, verbose: bool) -> None:
        self.diagnosis = diagnosis
        self.width = width
        self.verbose = verbose
        self.worst = wording.worst_open_finding(diagnosis)

    def lines(self) -> Iterator[Text]:
        """From the verdict down to the damage in the files."""
        yield self._header()
        if self.worst is not None:
            yield from self._finding(self.worst)
        else:
            yield from self._causes(self.diagnosis.progress.causes)
        yield from self._others()
        yield from self._changes()
        yield from self._accepted()
        if self.worst is not None and (self.worst.severity is not Severity.ERROR or wording.is_stuck(self.worst)):
            yield from self._continuation()
        yield from self._not_judged()
        yield from self._problems()

    def _header(self) -> Text:
        diagnosis = self.diagnosis
        line = Text()
        line.append(wording.run_name(diagnosis), style="bold")
        line.append("  ")
        line.append(f"● {wording.STATUS_WORDS[diagnosis.status]}", style=STATUS_STYLES[diagnosis.status])
        line.append(f"   {wording.headline(diagnosis)}")
        return self._with_right(line, wording.extent(diagnosis))

    def _finding(self, finding: Finding) -> Iterator[Text]:
        yield from self._paragraph("WHAT", finding.summary)
        likely = [cause for cause in finding.causes if not cause.is_ruled_out]
        is_the_cause = bool(likely) and likely[0].name == finding.name
        if self.verbose or is_the_cause or not likely:
            measured = [item for item in finding.evidence if item.text != finding.unexplained]
            for item in self._some(measured, EVIDENCE_SHOWN):
                yield from self._paragraph("", item.text, style="dim")
        if finding.layers:
            yield from self._paragraph("", f"in {', '.join(self._layers(finding.layers))}", style="dim")
        if finding.consequences:
            yield from self._paragraph("", f"explains also: {', '.join(finding.consequences)}", style="dim")
        if finding.unexplained is not None:
            yield from self._paragraph("WHY", finding.unexplained.removeprefix("why "))
        yield from self._causes(finding.causes, already_told=is_the_cause)
        for suggestion in self._some(finding.interventions, 1):
            yield from self._suggestion(suggestion)
        left = len(finding.interventions) - 1
        more = f"{left} more suggestion{'s' if left > 1 else ''}: --verbose" if left > 0 and not self.verbose else ""
        yield from self._paragraph("", f"→ trainvitals explain {finding.name}", style="dim", right=more)

    def _causes(self, causes: Sequence[Cause], *, already_told: bool = False) -> Iterator[Text]:
        """The likeliest cause, the next one, what would decide between them, and what a number rules out."""
        likely = [cause for cause in causes if not cause.is_ruled_out]
        if likely and not already_told:
            yield from self._paragraph("WHY", likely[0].name, right=likelihood_in_words(likely[0].confidence))
            yield from self._item("for", likely[0].evidence_for)
        if likely:
            yield from self._item("against", likely[0].evidence_against)
        for cause in self._some(likely[1:], 1):
            yield from self._item(
                "or", [f"{cause.name} ({likelihood_in_words(cause.confidence)}): {'; '.join(cause.evidence_for)}"]
            )
        if likely and likely[0].would_decide:
            yield from self._item("decide", [likely[0].would_decide])
        excluded = [f"{cause.name} ({'; '.join(cause.evidence_against)})" for cause in causes if cause.is_ruled_out]
        yield from self._item("not", self._some(excluded, RULED_OUT_SHOWN))

    def _item(self, word: str, texts: Sequence[str]) -> Iterator[Text]:
        if texts:
            yield from self._paragraph("", f"{word:<9}{'; '.join(texts)}", hanging=9)

    def _suggestion(self, suggestion: Suggestion) -> Iterator[Text]:
        yield from self._paragraph("TRY", suggestion.summary, style="bold")
        yield from self._paragraph("", f"{'expect':<9}{suggestion.expected}", hanging=9)
        yield from self._paragraph("", f"{'risk':<9}{suggestion.risk}", hanging=9)
        code = suggestion.how.splitlines()
        if not self.verbose and len(code) > CODE_LINES_SHOWN:
            yield from self._paragraph("", f"{'code':<9}{len(code)} lines: --verbose", style="dim")
            return
        for code_line in code:
            yield Text(f"{INDENT}{' ' * LABEL_WIDTH}    {visible(code_line)}".rstrip(), style="cyan")

    def _others(self) -> Iterator[Text]:
        shown_above = (self.worst, wording.stands_for_a_verdict(self.diagnosis))
        as_cause = () if self.verbose or self.worst is None or self.worst.root is None else (self.worst.root.name,)
        others = [
            finding
            for finding in self.diagnosis.open_findings
            if finding not in shown_above and finding.name not in as_cause
        ]
        for finding in self._some(others, ALSO_SHOWN):
            label = "NOTE" if finding.severity is Severity.INFO else "ALSO"
            if self.verbose and finding.severity is not Severity.INFO:
                yield from self._paragraph(label, wording.finding_headline(finding))
                yield from self._finding(finding)
            else:
                yield from self._paragraph(label, f"{wording.finding_headline(finding)}: {finding.summary}")
        yield from self._more(others, ALSO_SHOWN)

    def _changes(self) -> Iterator[Text]:
        """What became of the findings since a change that was marked in the run."""
        for change in self.diagnosis.changes:
            told = ", ".join(f"{value}" for value in change.marker.details.values()) or change.marker.kind
            head = f"at step {wording.step(change.marker.step)}: {visible(told, longest=80)}"
            yield from self._paragraph("CHANGED", head)
            serious = [each for each in change.findings if each.finding.severity is not Severity.INFO]
            for outcome in self._some(serious or change.findings, OUTCOMES_SHOWN):
                why = "" if outcome.why is None else f" ({outcome.why})"
                details = "; ".join(itertools.islice(wording.outcome_details(outcome), DETAILS_SHOWN))
                text = f"{outcome.finding.name} {outcome.outcome}{why}"
                yield from self._paragraph("", f"{text}; {details}" if details else text, hanging=2)
            if not change.findings:
                yield from self._paragraph("", "nothing was found before it, and nothing since")

    def _accepted(self) -> Iterator[Text]:
        accepted = [finding for finding in self.diagnosis.findings if finding.state == "accepted"]
        for finding in self._some(accepted, ALSO_SHOWN):
            yield from self._paragraph("", f"accepted: {finding.name} ({finding.accepted_because})", style="dim")
        yield from self._more(accepted, ALSO_SHOWN)

    def _continuation(self) -> Iterator[Text]:
        continuation = wording.continuation(self.diagnosis)
        if continuation is not None:
            yield from self._paragraph("IF YOU CONTINUE", continuation)

    def _not_judged(self) -> Iterator[Text]:
        rules = self.diagnosis.not_assessed
        if self.verbose:
            for rule in rules:
                yield from self._paragraph("NOT JUDGED", f"{rule.name} ({rule.how})", style="dim")
        elif rules:
            named = ", ".join(rule.name for rule in rules[:NOT_JUDGED_SHOWN])
            left = len(rules) - NOT_JUDGED_SHOWN
            more = f" and {left} more" if left > 0 else ""
            signals = list(dict.fromkeys(signal for rule in rules for signal in rule.missing))
            rest = f" and {len(signals) - MISSING_SHOWN} more" if len(signals) > MISSING_SHOWN else ""
            missing = ", ".join(signals[:MISSING_SHOWN]) + rest
            yield from self._paragraph("NOT JUDGED", f"{named}{more} (not logged: {missing})", style="dim")

    def _problems(self) -> Iterator[Text]:
        problems: Sequence[Problem] = self.diagnosis.problems
        for problem in self._some(problems, PROBLEMS_SHOWN):
            times = f" ({problem.count:,} times)" if problem.count > 1 else ""
            where = visible(problem.where, longest=60)
            yield from self._paragraph("FILES", f"{where}: {problem.text}{times}", style="yellow")
        yield from self._more(problems, PROBLEMS_SHOWN)

    def _some(self, items: Sequence[Item], few: int) -> Sequence[Item]:
        return items if self.verbose else items[:few]

    def _more(self, items: Sequence[object], few: int) -> Iterator[Text]:
        if len(items) > few and not self.verbose:
            yield from self._paragraph("", f"{len(items) - few} more: --verbose", style="dim")

    def _layers(self, layers: tuple[str, ...]) -> Sequence[str]:
        if self.verbose or len(layers) <= LAYERS_SHOWN:
            return layers
        return (layers[0], "…", f"{layers[-1]} ({len(layers)} layers)")

    def _paragraph(
        self, label: str, text: str, *, style: str = "", hanging: int = 0, right: str = ""
    ) -> Iterator[Text]:
        """A label and its text, wrapped under itself; ``right`` stands at the right edge of the first line."""
        head = label.ljust(LABEL_WIDTH) if len(label) < LABEL_WIDTH else f"{label}  "
        room = self.width - len(INDENT) - len(head) - (len(right) + SMALLEST_GAP if right else 0)
        # Long words are names of files and tags: breaking them would make them wrong.
        wrapped = textwrap.wrap(
            visible(text),
            max(40, room),
            subsequent_indent=" " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for index, part in enumerate(wrapped or [""]):
            line = Text(INDENT)
            line.append(head if index == 0 else " " * len(head), style="bold")
            line.append(part, style=style)
            yield self._with_right(line, right) if index == 0 else line

    def _with_right(self, line: Text, right: str) -> Text:
        gap = self.width - line.cell_len - len(right)
        if right and gap >= SMALLEST_GAP:
            line.append(" " * gap)
            line.append(right, style="dim")
        return line
