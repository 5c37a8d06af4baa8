"""A rule's page comes apart at its headings, and nothing of it is lost."""

from __future__ import annotations

import inspect

import pytest

from trainvitals.causes import causes_without_a_rule
from trainvitals.errors import UnknownRuleError
from trainvitals.reporters.rule_page import page_of
from trainvitals.rules.registry import all_rules
from trainvitals.rules.rule import PAGE_HEADINGS


def test_each_rule_has_all_headings_and_every_word_of_its_page() -> None:
    for rule in all_rules():
        page = page_of(rule.name)
        assert tuple(section.heading for section in page.sections)[: len(PAGE_HEADINGS)] == PAGE_HEADINGS
        told = " ".join([page.lead, *(f"{section.heading} {section.text}" for section in page.sections)]).split()
        written = [word for word in (inspect.getdoc(type(rule)) or "").split() if not word.startswith("----")]
        assert told[: len(written)] == written


def test_code_and_name_are_the_same_page() -> None:
    assert page_of("grd001") == page_of("vanishing-gradients")


def test_a_cause_without_a_rule_has_a_page_too() -> None:
    for name in causes_without_a_rule():
        assert "What would decide" in [section.heading for section in page_of(name).sections]


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(UnknownRuleError):
        page_of("no-such-thing")
