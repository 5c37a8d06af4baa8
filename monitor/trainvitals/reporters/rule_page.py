"""The page of one rule, or of a cause that has no rule, in parts: for a terminal and for a browser."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainvitals.causes import causes_without_a_rule
from trainvitals.causes.signature import Signature
from trainvitals.rules.registry import find_rule
from trainvitals.rules.rule import PAGE_HEADINGS, Rule


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the lines below it."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """What ``trainvitals explain`` says: of what, in one paragraph, and then at length."""

    title: str
    lead: str
    sections: tuple[Section, ...]


def page_of(name: str) -> Page:
    """The page of the rule or cause with this name or code.

    Raises:
        UnknownRuleError: there is neither.
    """
    cause = causes_without_a_rule().get(name.casefold())
    return _page_of_cause(name.casefold(), cause) if cause is not None else _page_of_rule(find_rule(name))


def _page_of_rule(rule: Rule[Any]) -> Page:
    """The rule's docstring, then what it reads, its thresholds and what it suggests."""
    text = inspect.getdoc(type(rule)) or ""
    headings = "|".join(map(re.escape, PAGE_HEADINGS))
    lead, *parts = re.split(rf"^({headings})\n-+\n", text, flags=re.MULTILINE)
    told = [Section(heading, body.strip("\n")) for heading, body in zip(parts[::2], parts[1::2], strict=True)]
    return Page(f"{rule.name} ({rule.code}, {rule.family})", lead.strip(), (*told, *_facts(rule)))


def _facts(rule: Rule[Any]) -> Iterator[Section]:
    if rule.reads:
        yield Section("Reads", ", ".join(rule.reads))
    if rule.thresholds:
        lines = [
            f"{threshold.name} = {threshold.default:g}\n    {threshold.reason} Source: {threshold.source}"
            for threshold in rule.thresholds
        ]
        yield Section("Thresholds", "\n".join([*lines, f"Set them under [tool.trainvitals.rules.{rule.name}]."]))
    yield Section("Suggestions, the best first", ", ".join(rule.interventions))


def _page_of_cause(name: str, signature: Signature) -> Page:
    """What is known of a cause that no rule finds: it is ranked beside others where a training is stuck."""
    sections = []
    for heading, sign in (("What speaks for it", 1), ("What speaks against it", -1)):
        facts = [f"{fact}: {state}" for (fact, state), weight in signature.weights.items() if sign * weight > 0]
        sections += [Section(heading, "; ".join(facts))] if facts else []
    left_over = "It is what is left where no other cause has much for it. " if signature.by_elimination else ""
    surest = f"{left_over}From a log alone never surer than {100 * signature.surest:.0f} %."
    sections += [
        Section("How sure it can be", surest),
        Section("What would decide", f"{signature.would_decide[0].upper()}{signature.would_decide[1:]}."),
    ]
    if signature.to_try:
        sections.append(Section("Suggestions, the best first", ", ".join(signature.to_try)))
    title = f"{name} (a cause of a training that is stuck; no rule finds it by itself)"
    return Page(title, f"{signature.mechanism[0].upper()}{signature.mechanism[1:]}.", tuple(sections))
