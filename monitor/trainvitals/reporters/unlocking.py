"""Which line of code lets which rules be judged that could not be, each line once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainvitals.model import NotAssessed


@dataclass(frozen=True, slots=True)
class Unlocks:
    """One line to add, and what it lets be judged.

    Args:
        how: the line.
        rules: those that lack nothing else, in the order of their codes.
        missing: the signals that it logs, each once.
    """

    how: str
    rules: tuple[NotAssessed, ...]
    missing: tuple[str, ...]


def lines_that_unlock(not_assessed: Sequence[NotAssessed]) -> tuple[Unlocks, ...]:
    """The lines, that which unlocks most first."""
    by_line: dict[str, list[NotAssessed]] = {}
    for rule in not_assessed:
        by_line.setdefault(rule.how, []).append(rule)
    found = [
        Unlocks(how, tuple(rules), tuple(dict.fromkeys(signal for rule in rules for signal in rule.missing)))
        for how, rules in by_line.items()
    ]
    return tuple(sorted(found, key=lambda each: -len(each.rules)))
