"""One run on one screen: the problem first, its cause second, then what to try, what it costs, what is unknown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from trainvitals.model import Cause, Diagnosis, Finding, Problem, Severity, Status, Suggestion
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible

STATUS_STYLES = {
    Status.HEALTHY: "green",
    Status.WARNING: "yellow",
    Status.ERROR: "red",
    Status.UNDETERMINED: "dim",
}

LABEL_WIDTH = 7
# How many lines of a kind one screen has room for; --verbose shows all.
EVIDENCE_SHOWN = 2
ALSO_SHOWN = 3
NOT_JUDGED_SHOWN = 2
PROBLEMS_SHOWN = 3


def run_block(diagnosis: Diagnosis, *, width: int, verbose: bool) -> Iterator[Text]:
    """The lines of one run's report.

    Args:
        width: columns to right-align to.
        verbose: every finding, all evidence, all suggestions with their code, all that was not judged.
    """
    worst = wording.worst_open_finding(diagnosis)
    yield _header(diagnosis, worst, width)
    if worst is not None:
        yield from _finding(worst, width=width, verbose=verbose)
    yield from _also(diagnosis, worst, width=width, verbose=verbose)
    if worst is not None:
        yield from _continuation(diagnosis)
    yield from _not_judged(diagnosis, verbose=verbose)
    yield from _problems(diagnosis.problems, verbose=verbose)


def _header(diagnosis: Diagnosis, worst: Finding | None, width: int) -> Text:
    line = Text()
    line.append(wording.run_name(diagnosis), style="bold")
    line.append("  ")
    line.append(f"● {wording.STATUS_WORDS[diagnosis.status]}", style=STATUS_STYLES[diagnosis.status])
    line.append(f"   {_headline(diagnosis, worst)}")
    return _with_right(line, wording.extent(diagnosis), width)


def _headline(diagnosis: Diagnosis, worst: Finding | None) -> str:
    if worst is None:
        if diagnosis.status is Status.UNDETERMINED and diagnosis.findings:
            return f"{visible(diagnosis.findings[0].summary)}"
        return wording.progress_sentence(diagnosis.progress)
    level = diagnosis.progress.level
    loss = "" if level is None else f", loss {wording.number(level)}"
    return f"{wording.finding_headline(worst)}{loss}"


def _finding(finding: Finding, *, width: int, verbose: bool) -> Iterator[Text]:
    yield _labelled("WHAT", visible(finding.summary))
    evidence = finding.evidence if verbose else finding.evidence[:EVIDENCE_SHOWN]
    for item in evidence:
        yield _labelled("", visible(item.text), style="dim")
    if finding.layers:
        yield _labelled("", f"in {_layers(finding.layers, verbose=verbose)}", style="dim")
    if finding.consequences:
        yield _labelled("", f"explains also: {', '.join(finding.consequences)}", style="dim")
    for cause in sorted(finding.causes, key=lambda cause: -cause.confidence)[: None if verbose else 1]:
        yield from _cause(cause, width)
    yield from _suggestions(finding, verbose=verbose)


def _cause(cause: Cause, width: int) -> Iterator[Text]:
    from trainvitals.model import likelihood_in_words

    yield _with_right(_labelled("WHY", cause.name), likelihood_in_words(cause.confidence), width)
    if cause.evidence_for:
        yield _labelled("", f"for      {visible('; '.join(cause.evidence_for))}")
    if cause.evidence_against:
        yield _labelled("", f"against  {visible('; '.join(cause.evidence_against))}")
    if cause.would_decide:
        yield _labelled("", f"decide   {visible(cause.would_decide)}")


def _suggestions(finding: Finding, *, verbose: bool) -> Iterator[Text]:
    for suggestion in finding.interventions if verbose else finding.interventions[:1]:
        yield from _suggestion(suggestion, verbose=verbose)
    left = len(finding.interventions) - 1
    more = f"{left} more suggestion{'s' if left > 1 else ''}: --verbose" if left > 0 and not verbose else ""
    yield _labelled("", f"→ trainvitals explain {finding.name}" + (f"          {more}" if more else ""), style="dim")


def _suggestion(suggestion: Suggestion, *, verbose: bool) -> Iterator[Text]:
    yield _labelled("TRY", visible(suggestion.summary), style="bold")
    yield _labelled("", f"expect   {visible(suggestion.expected)}")
    yield _labelled("", f"risk     {visible(suggestion.risk)}")
    if verbose:
        for code_line in suggestion.how.splitlines():
            yield _labelled("", f"    {visible(code_line)}", style="cyan")


def _also(diagnosis: Diagnosis, worst: Finding | None, *, width: int, verbose: bool) -> Iterator[Text]:
    others = [finding for finding in diagnosis.open_findings if finding is not worst]
    if worst is None and diagnosis.status is Status.UNDETERMINED:
        others = others[1:]  # the first one is the headline
    for index, finding in enumerate(others):
        if not verbose and index == ALSO_SHOWN:
            yield _labelled("", f"{len(others) - index} more: --verbose", style="dim")
            break
        label = "NOTE" if finding.severity is Severity.INFO else "ALSO"
        if verbose and finding.severity is not Severity.INFO:
            yield _labelled(label, wording.finding_headline(finding))
            yield from _finding(finding, width=width, verbose=True)
        else:
            yield _labelled(label, f"{wording.finding_headline(finding)}: {visible(finding.summary)}")
    accepted = [finding for finding in diagnosis.findings if finding.state == "accepted"]
    for finding in accepted if verbose else accepted[:ALSO_SHOWN]:
        yield _labelled("", f"accepted: {finding.name} ({visible(finding.accepted_because or '')})", style="dim")
    if len(accepted) > ALSO_SHOWN and not verbose:
        yield _labelled("", f"{len(accepted) - ALSO_SHOWN} more accepted: --verbose", style="dim")


def _continuation(diagnosis: Diagnosis) -> Iterator[Text]:
    progress = diagnosis.progress
    if progress.gain is None or not progress.horizon_steps or diagnosis.last_step is None:
        return
    until = diagnosis.last_step + progress.horizon_steps
    span = f"{wording.step(diagnosis.last_step)} → {wording.step(until)}"
    yield _labelled("IF YOU CONTINUE", f"{span}: gain {wording.gain(progress)}")


def _not_judged(diagnosis: Diagnosis, *, verbose: bool) -> Iterator[Text]:
    rules = diagnosis.not_assessed
    if not rules:
        return
    if verbose:
        for rule in rules:
            yield _labelled("NOT JUDGED", f"{rule.name}: needs {', '.join(rule.missing)}; {visible(rule.how)}")
        return
    named = ", ".join(rule.name for rule in rules[:NOT_JUDGED_SHOWN])
    more = f" and {len(rules) - NOT_JUDGED_SHOWN} more: --verbose" if len(rules) > NOT_JUDGED_SHOWN else ""
    hint = f" ({visible(rules[0].how)})" if len(rules) == 1 else ""
    yield _labelled("NOT JUDGED", f"{named}{hint}{more}", style="dim")


def _problems(problems: tuple[Problem, ...], *, verbose: bool) -> Iterator[Text]:
    shown = problems if verbose else problems[:PROBLEMS_SHOWN]
    for problem in shown:
        times = f" ({problem.count:,} times)" if problem.count > 1 else ""
        yield _labelled(
            "FILES", f"{visible(problem.where, longest=60)}: {visible(problem.text)}{times}", style="yellow"
        )
    if len(shown) < len(problems):
        yield _labelled("", f"{len(problems) - len(shown)} more: --verbose", style="dim")


def _layers(layers: tuple[str, ...], *, verbose: bool) -> str:
    if verbose or len(layers) <= 4:
        return ", ".join(visible(layer) for layer in layers)
    return f"{visible(layers[0])} … {visible(layers[-1])} ({len(layers)} layers)"


def _labelled(label: str, text: str, *, style: str = "") -> Text:
    line = Text("  ")
    line.append(label.ljust(LABEL_WIDTH) if len(label) <= LABEL_WIDTH else f"{label}  ", style="bold")
    line.append(text, style=style)
    return line


def _with_right(line: Text, right: str, width: int) -> Text:
    gap = width - line.cell_len - len(right)
    if right:
        line.append(" " * max(3, gap))
        line.append(right, style="dim")
    return line
