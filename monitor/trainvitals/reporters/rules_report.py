"""The list of rules, and the page of one rule, in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainvitals.reporters.rule_page import Page
from trainvitals.rules.rule import Rule


def print_rules(rules: Iterable[Rule[Any]], console: Console) -> None:
    """One row a rule."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("CODE", "NAME", "FAMILY", "FINDS"):
        table.add_column(column, overflow="fold", no_wrap=column in ("CODE", "NAME"))
    for rule in rules:
        table.add_row(*(Text(cell) for cell in (rule.code, rule.name, rule.family, rule.summary)))
    console.print(table)
    console.print(Text("\ntrainvitals explain NAME prints a rule's page.", style="dim"))


def print_page(page: Page, console: Console) -> None:
    """The page of a rule, or of a cause that has none, from its title down to what to try."""
    console.print(Text(f"{page.title}\n", style="bold"))
    console.print(Text(page.lead), soft_wrap=True)
    for section in page.sections:
        console.print(Text(f"\n{section.heading}", style="bold"))
        console.print(Text(section.text), soft_wrap=True)
