"""The list of rules, and the page of one rule, or of a cause that has no rule."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainvitals.causes.signature import Signature
from trainvitals.rules.rule import PAGE_HEADINGS, Rule


def print_rules(rules: Iterable[Rule[Any]], console: Console) -> None:
    """One row a rule."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("CODE", "NAME", "FAMILY", "FINDS"):
        table.add_column(column, overflow="fold", no_wrap=column in ("CODE", "NAME"))
    for rule in rules:
        table.add_row(*(Text(cell) for cell in (rule.code, rule.name, rule.family, rule.summary)))
    console.print(table)
    console.print(Text("\ntrainvitals explain NAME prints a rule's page.", style="dim"))


def print_page(rule: Rule[Any], console: Console) -> None:
    """The rule's docstring, then what it reads, its thresholds and what it suggests."""
    console.print(Text(f"{rule.name} ({rule.code}, {rule.family})\n", style="bold"))
    for line in inspect.getdoc(type(rule)).splitlines():  # type: ignore[union-attr]  # check_rule demands a page
        if set(line) == {"-"}:
            continue
        console.print(Text(line, style="bold" if line in PAGE_HEADINGS else ""), soft_wrap=True)
    if rule.reads:
        console.print(Text("\nReads", style="bold"))
        console.print(Text(", ".join(rule.reads)), soft_wrap=True)
    if rule.thresholds:
        console.print(Text("\nThresholds", style="bold"))
    for threshold in rule.thresholds:
        console.print(Text(f"{threshold.name} = {threshold.default:g}"), soft_wrap=True)
        console.print(Text(f"    {threshold.reason} Source: {threshold.source}"), soft_wrap=True)
    if rule.thresholds:
        console.print(Text(f"Set them under [tool.trainvitals.rules.{rule.name}].", style="dim"), soft_wrap=True)
    console.print(Text("\nSuggestions, the best first", style="bold"))
    console.print(Text(", ".join(rule.interventions)), soft_wrap=True)


def print_cause(name: str, signature: Signature, console: Console) -> None:
    """What is known of a cause that no rule finds: it is ranked beside others where a training is stuck."""
    console.print(Text(f"{name} (a cause of a training that is stuck; no rule finds it by itself)\n", style="bold"))
    console.print(Text(f"{signature.mechanism[0].upper()}{signature.mechanism[1:]}."), soft_wrap=True)
    for heading, sign in (("What speaks for it", 1), ("What speaks against it", -1)):
        facts = [f"{fact}: {state}" for (fact, state), weight in signature.weights.items() if sign * weight > 0]
        if facts:
            console.print(Text(f"\n{heading}", style="bold"))
            console.print(Text("; ".join(facts)), soft_wrap=True)
    console.print(Text("\nHow sure it can be", style="bold"))
    left_over = "It is what is left where no other cause has much for it. " if signature.by_elimination else ""
    console.print(Text(f"{left_over}From a log alone never surer than {100 * signature.surest:.0f} %."), soft_wrap=True)
    console.print(Text("\nWhat would decide", style="bold"))
    console.print(Text(f"{signature.would_decide[0].upper()}{signature.would_decide[1:]}."), soft_wrap=True)
    if signature.to_try:
        console.print(Text("\nSuggestions, the best first", style="bold"))
        console.print(Text(", ".join(signature.to_try)), soft_wrap=True)
