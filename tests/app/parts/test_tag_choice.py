"""Signals are found by a regular expression, in an order that has the important ones first."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainvitals import Run, diagnose
from trainvitals.signals import understand
from trainvitals_app.parts import bounded_search
from trainvitals_app.parts.tag_choice import LONGEST_PATTERN, matching, tags_of
from trainvitals_app.runs.open_runs import Snapshot

TAGS = ["train/loss", "val/loss", "Learning_Rate"]


def snapshot(*tags: str) -> Snapshot:
    run = Run.from_columns({"step": [1, 2, 3], **{tag: [3.0, 2.0, 1.0] for tag in tags}})
    return Snapshot(run, understand(run), diagnose(run), (), 0.0, 1)


def test_losses_come_first_and_layers_last_in_the_order_of_their_numbers() -> None:
    shown = tags_of([snapshot("zeta", "grad_norm/fc10", "grad_norm/fc2", "train/loss"), snapshot("alpha9", "alpha10")])
    assert shown == ["train/loss", "alpha9", "alpha10", "zeta", "grad_norm/fc2", "grad_norm/fc10"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("", TAGS), ("loss", TAGS[:2]), ("^val", ["val/loss"]), ("RATE", ["Learning_Rate"]), ("nothing", [])],
)
def test_a_pattern_finds_what_it_matches_whatever_the_case(pattern: str, found: list[str]) -> None:
    assert matching(TAGS, pattern) == (found, None)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("loss(", "no regular expression: missing ), unterminated subpattern at position 5"),
        ("*", "nothing to repeat at position 1"),
        ("x" * (LONGEST_PATTERN + 1), "longer than"),
    ],
)
def test_a_bad_pattern_is_told_in_a_line_and_hides_nothing(pattern: str, words: str) -> None:
    found, mistake = matching(TAGS, pattern)
    assert found == TAGS
    assert mistake is not None
    assert words in mistake
    assert "\n" not in mistake


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("train|val", TAGS[:2]),
        ("(?<!l)/loss", TAGS[:1]),
        ("^LEARN.*rate$", TAGS[2:]),
        (r"(.)\1", TAGS[:2]),
        # The two that other engines read in a way of their own: as text, and as a set of characters.
        ("los{i}", []),
        ("loss*{e<=1}", []),
    ],
)
def test_a_pattern_with_branches_means_what_python_says(pattern: str, found: list[str]) -> None:
    assert matching(TAGS, pattern) == (found, None)
    assert found == [tag for tag in TAGS if re.search(pattern, tag, re.IGNORECASE)]


# Python would search for each of them for longer than a test may take, and for as long let no other thread go on.
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(.*)*!!", "a*a*a*a*a*a*a*a*a*$"])
def test_a_pattern_that_would_take_for_ever_is_told_in_a_line_and_hides_nothing(pattern: str) -> None:
    tags = [*TAGS, "a" * 200 + "/!"]
    for _ in range(2):
        found, mistake = matching(tags, pattern)
        assert found == tags
        assert mistake is not None
        assert "takes too long" in mistake
        assert "\n" not in mistake


def test_what_was_found_is_not_searched_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = "los(s|t)"
    assert matching(TAGS, pattern) == (TAGS[:2], None)
    monkeypatch.setattr(bounded_search.subprocess, "run", None)
    assert matching(TAGS, pattern) == (TAGS[:2], None)


def test_where_no_process_starts_the_page_says_so_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        found, mistake = matching(TAGS, "lo(s)s")
        assert found == TAGS
        assert mistake == "the search did not start: No such file or directory"
    assert matching(TAGS, "lo(s)s") == (TAGS[:2], None)


def test_tags_of_any_characters_are_searched() -> None:
    odd = ["\ud800loss", "ärger\n", "\x00"]
    assert matching(odd, "Ä(r|x)|\ud800") == (odd[:2], None)


@given(st.text(max_size=20))
def test_no_pattern_breaks_the_page(pattern: str) -> None:
    found, _ = matching(TAGS, pattern)
    assert set(found) <= set(TAGS)


@settings(max_examples=25)
@given(st.text("alos/|*+?(){}.^$\\1", max_size=10))
def test_whatever_python_understands_means_here_what_it_means_there(pattern: str) -> None:
    found, mistake = matching(TAGS, pattern)
    if mistake is None:
        assert found == [tag for tag in TAGS if re.search(pattern, tag, re.IGNORECASE)]
    else:
        assert "no regular expression" in mistake
