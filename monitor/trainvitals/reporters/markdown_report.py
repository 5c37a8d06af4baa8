"""The report as Markdown of GitHub's kind, short enough for an issue or for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainvitals.model import Cause, Diagnosis, Finding, Suggestion, likelihood_in_words
from trainvitals.reporters import wording
from trainvitals.reporters.full_report import FindingReport, RunReport, change_head, change_lines, run_reports
from trainvitals.reporters.markdown_text import code, code_block, unlinked
from trainvitals.reporters.run_table import what
from trainvitals.reporters.signs import SEVERITY_SIGNS, STATUS_SIGNS

MOST_CHARACTERS = 60_000
"""GitHub takes 65,536 in an issue or a comment; what stands around the report needs some room, too."""
MOST_ROWS = 200
LONGEST_NAME = 80
MOST_DETAILED = 6
"""With more runs than this, those that are well stand in the table alone."""
REASONS_SHOWN = 3


def render_markdown(diagnoses: Sequence[Diagnosis]) -> str:
    """The whole report: the runs in a table where there are several, then one section a run, the worst first.

    Sections that would make it too long are left out, and it says so.
    """
    reports = run_reports(diagnoses)
    lines = list(_table(reports)) if len(reports) > 1 else []
    told = [report for report in reports if len(reports) <= MOST_DETAILED or report.is_sick]
    size = _size(lines)
    for number, report in enumerate(told):
        section = list(_section(report))
        size += _size(section)
        if size > MOST_CHARACTERS and number:
            left = len(told) - number
            lines += ["", f"{left} more run{'s' if left > 1 else ''}: `trainvitals diagnose PATH --verbose`"]
            break
        lines += ["", *section] if lines else section
    return "\n".join(lines) + "\n"


def _size(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _table(reports: Sequence[RunReport]) -> Iterator[str]:
    yield f"**{wording.count_of_runs([report.diagnosis for report in reports])}**"
    yield ""
    yield "| run | status | what | since step | loss | progress |"
    yield "|:--|:--|:--|--:|--:|:--|"
    for report in reports[:MOST_ROWS]:
        yield f"| {' | '.join(_row(report))} |"
    if len(reports) > MOST_ROWS:
        yield ""
        yield f"and {len(reports) - MOST_ROWS} more runs"


def _row(report: RunReport) -> tuple[str, ...]:
    diagnosis = report.diagnosis
    worst, level = wording.worst_open_finding(diagnosis), wording.loss_level(diagnosis)
    return (
        # In a table, even in code, a bar ends the cell unless it is escaped.
        code(diagnosis.id, longest=LONGEST_NAME).replace("|", "\\|"),
        f"{STATUS_SIGNS[diagnosis.status]} {report.status_word}",
        unlinked(what(diagnosis)),
        "" if worst is None or worst.first_step is None else wording.step(worst.first_step),
        "" if level is None else wording.number(level),
        wording.progress_word(diagnosis),
    )


def _section(report: RunReport) -> Iterator[str]:
    diagnosis = report.diagnosis
    name = code(diagnosis.id, longest=LONGEST_NAME)
    yield f"### {STATUS_SIGNS[diagnosis.status]} {report.status_word}: {name}"
    yield ""
    extent = wording.extent(diagnosis)
    yield unlinked(report.headline) + (f" · {extent}" if extent else "")
    for problem in report.problems_found:
        yield ""
        yield from _problem(problem)
    closing = list(_closing(report))
    if closing:
        yield ""
        yield from closing
    for change in diagnosis.changes:
        yield ""
        yield f"**Changed** {unlinked(change_head(change))}"
        yield ""
        yield from (f"- {unlinked(line)}" for line in change_lines(change))
    yield from _folded(
        f"Not judged: {len(diagnosis.not_assessed)} rules, and what to log for them",
        [f"- {', '.join(unlinked(rule.name) for rule in rules)}: {code(line)}" for line, rules in report.not_judged],
    )
    yield from _folded(
        f"Problems in the files: {len(diagnosis.problems)}",
        [
            f"- {code(each.where)}: {unlinked(each.text)}{f' ({each.count:,} times)' if each.count > 1 else ''}"
            for each in diagnosis.problems
        ],
    )


def _problem(report: FindingReport) -> Iterator[str]:
    finding = report.finding
    sign = SEVERITY_SIGNS[finding.severity]
    yield f"**{sign} {finding.severity.value}: {_name_and_onset(finding)}**"
    yield ""
    yield unlinked(finding.summary)
    yield ""
    yield from (f"- {unlinked(item.text)}" for item in report.evidence)
    if finding.layers:
        yield f"- in {_layers(finding.layers)}"
    if finding.consequences:
        yield f"- explains also: {', '.join(map(unlinked, finding.consequences))}"
    if report.unexplained is not None:
        yield f"- **why** {unlinked(report.unexplained)}"
    yield from (_cause("why" if number == 0 else "or", each) for number, each in enumerate(report.likely))
    if report.would_decide:
        yield f"- **would decide** {unlinked(report.would_decide)}"
    if report.ruled_out:
        yield f"- **ruled out** {', '.join(unlinked(cause.name) for cause in report.ruled_out)}"
    for suggestion in finding.interventions[:1]:
        yield f"- **try** {unlinked(suggestion.summary)}"
        yield f"    - expect: {unlinked(suggestion.expected)} ({wording.BASIS_WORDS[suggestion.basis]})"
        yield f"    - risk: {unlinked(suggestion.risk)}"
        yield f"    - helped if: {unlinked(wording.success(suggestion.verify))}"
    yield from _folded("Code", _code(finding.interventions[:1]))
    yield from _folded("Other suggestions", [f"- {unlinked(each.summary)}" for each in finding.interventions[1:]])


def _closing(report: RunReport) -> Iterator[str]:
    yield from (_cause("slow because of", cause) for cause in report.slow_because)
    if report.continuation is not None:
        yield f"- **if you continue** {report.continuation}"
    for finding in report.notes:
        yield f"- **note** {_name_and_onset(finding)}: {unlinked(finding.summary)}"
    for finding in report.accepted:
        yield f"- **accepted** {_name_and_onset(finding)}: {unlinked(finding.accepted_because or '')}"


def _cause(word: str, cause: Cause) -> str:
    reasons = "; ".join(map(unlinked, cause.evidence_for[:REASONS_SHOWN]))
    against = f"; against it: {unlinked(cause.evidence_against[0])}" if cause.evidence_against else ""
    return f"- **{word}** {unlinked(cause.name)} ({likelihood_in_words(cause.confidence)}): {reasons}{against}"


def _name_and_onset(finding: Finding) -> str:
    return unlinked(" ".join((finding.name, wording.onset(finding), f"({finding.likelihood})")))


def _layers(names: Sequence[str]) -> str:
    if len(names) <= REASONS_SHOWN + 1:
        return ", ".join(map(code, names))
    return f"{code(names[0])} … {code(names[-1])} ({len(names)} layers)"


def _code(suggestions: Sequence[Suggestion]) -> list[str]:
    return [line for each in suggestions for line in code_block(each.how, "python")]


def _folded(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Lines that unfold at a click; nothing where there are none."""
    if lines:
        yield from ("", f"<details><summary>{title}</summary>", "", *lines, "", "</details>")
