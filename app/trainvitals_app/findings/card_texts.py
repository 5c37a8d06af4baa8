"""What stands on the card of a finding, as Markdown: the words of the reports, with text from logs made safe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from trainvitals.model import Cause, Evidence, Finding, Suggestion, likelihood_in_words
from trainvitals.reporters import wording
from trainvitals.reporters.visible import visible
from trainvitals_app import text
from trainvitals_app.badges import severity_badge

# What a card shows of each before more is asked for.
EVIDENCE_SHOWN = 2
REASONS_SHOWN = 2
LAYERS_SHOWN = 4
# Of all layers, where they are asked for.
MOST_LAYERS = 300
LONGEST_LAYER = 60


def keyed(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The findings by names that stay as the run grows, for the URL: ``bad-batches``, ``bad-batches-2``."""
    named: dict[str, Finding] = {}
    for finding in findings:
        number = 1 + sum(other.name == finding.name for other in named.values())
        named[finding.name if number == 1 else f"{finding.name}-{number}"] = finding
    return named


def heading(finding: Finding) -> str:
    """How bad and what; below it since when and how sure."""
    since = f"{wording.onset(finding)} · " if finding.first_step is not None else ""
    name = f"{severity_badge(finding.severity)} **{text.markdown(finding.name)}**"
    return f"{name}  \n:small[{since}{sureness(finding.confidence)}]"


def sureness(confidence: float) -> str:
    """``very likely (93 %)``."""
    return f"{likelihood_in_words(confidence)} ({100 * confidence:.0f}\u00a0%)"


def is_its_own_cause(finding: Finding) -> bool:
    """Whether what was found is itself what explains the rest, so that its evidence says why."""
    likely = likely_causes(finding.causes)
    return not likely or likely[0].name == finding.name


def likely_causes(causes: Sequence[Cause]) -> list[Cause]:
    """Those that something speaks for, likeliest first."""
    return [cause for cause in causes if not cause.is_ruled_out]


def why(finding: Finding) -> list[str]:
    """Lines that say why: the likeliest cause, or what was measured where the finding is itself the cause.

    Then what speaks against it, the next one, what would decide, where, and what else it explains.
    """
    likely = likely_causes(finding.causes)
    if finding.unexplained is not None:
        lines = [f"**Why** {text.markdown(finding.unexplained.removeprefix('why '))}"]
    elif is_its_own_cause(finding):
        lines = [evidence_line(item) for item in measured(finding)[:EVIDENCE_SHOWN]]
    else:
        lines = [f"**Why** {cause_line(likely[0])}"]
        lines += [f":gray[against] {text.markdown(reason)}" for reason in likely[0].evidence_against[:1]]
        lines += [f":gray[or] {cause_line(cause)}" for cause in likely[1:2]]
    if likely and likely[0].would_decide:
        lines.append(f":gray[would decide] {text.markdown(likely[0].would_decide)}")
    if finding.layers:
        lines.append(f":gray[in] {layers(finding.layers)}")
    if finding.consequences:
        lines.append(f":gray[explains also] {', '.join(map(text.code, finding.consequences))}")
    return lines


def cause_line(cause: Cause) -> str:
    """A cause, how likely, and what speaks for it."""
    reasons = _joined(cause.evidence_for[:REASONS_SHOWN])
    return f"{text.code(cause.name)} {sureness(cause.confidence)}{f': {reasons}' if reasons else ''}"


def measured(finding: Finding) -> list[Evidence]:
    """The evidence, without what only says that the cause is not known."""
    return [item for item in finding.evidence if item.text != finding.unexplained]


def evidence_line(item: Evidence) -> str:
    """What was measured, which names its number, and the limit that it was held against."""
    limit = "" if item.threshold is None else f" :gray[(limit {text.markdown(wording.number(item.threshold))})]"
    return f"{text.markdown(item.text)}{limit}"


def evidence_table(items: Sequence[Evidence]) -> str:
    """All that was measured, one row each."""
    rows = [
        (
            text.markdown(item.text),
            # Of what is not finite the sentence itself says so.
            text.markdown(wording.number(item.value)) if item.value is not None and isfinite(item.value) else "",
            "" if item.threshold is None else text.markdown(wording.number(item.threshold)),
            "" if item.step is None else wording.step(item.step),
            "" if item.signal is None else text.code(item.signal, longest=40).replace("|", r"\|"),
        )
        for item in items
    ]
    head = ["| measured | value | limit | step | signal |", "|:--|--:|--:|--:|:--|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def layers(names: Sequence[str], *, every: bool = False) -> str:
    """In which layers, in the order of the model; of many the first and the last."""
    if len(names) <= (MOST_LAYERS if every else LAYERS_SHOWN):
        return ", ".join(text.code(name, longest=LONGEST_LAYER) for name in names)
    if every:
        return f"{layers(names[:MOST_LAYERS], every=True)} and {len(names) - MOST_LAYERS:,} more"
    ends = (text.code(name, longest=LONGEST_LAYER) for name in (names[0], names[-1]))
    return f"{' … '.join(ends)} ({len(names):,} layers)"


def causes(finding: Finding) -> str:
    """Every cause with what speaks for it and against it, then those that a number rules out."""
    lines = []
    for rank, cause in enumerate(likely_causes(finding.causes), start=1):
        lines.append(f"{rank}. **{text.markdown(cause.name)}**, {sureness(cause.confidence)}")
        lines += [f"    - for: {text.markdown(reason)}" for reason in cause.evidence_for]
        lines += [f"    - against: {text.markdown(reason)}" for reason in cause.evidence_against]
        lines += [f"    - would decide: {text.markdown(cause.would_decide)}"] if cause.would_decide else []
    ruled_out = [cause for cause in finding.causes if cause.is_ruled_out]
    if ruled_out:
        lines += ["", "**Ruled out**", ""]
    lines += [f"- {text.markdown(cause.name)}: {_joined(cause.evidence_against)}" for cause in ruled_out]
    return "\n".join(lines)


def expectation(suggestion: Suggestion) -> list[str]:
    """What to expect of it, and on what that rests."""
    basis = wording.BASIS_WORDS[suggestion.basis]
    return [f":gray[expect] {text.markdown(suggestion.expected)} :gray[({basis})]"]


def caution(suggestion: Suggestion) -> list[str]:
    """What may go wrong and how to get back, how to see that it helped, and where it is known from."""
    return [
        f":gray[risk] {text.markdown(suggestion.risk)}",
        f":gray[helped if] {text.markdown(wording.success(suggestion.verify))}",
        f":gray[source] {text.markdown(suggestion.source)}",
    ]


def small(lines: Iterable[str]) -> str:
    """Lines below each other in a smaller font."""
    # Two blanks at the end break the line.
    return "  \n".join(f":small[{line}]" for line in lines)


def code(suggestion: Suggestion) -> str:
    """What can be pasted, with nothing in it that is not seen."""
    return "\n".join(visible(line) for line in suggestion.how.splitlines())


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(map(text.markdown, texts))
