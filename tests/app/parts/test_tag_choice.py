"""Signals are found by a regular expression, in an order that has the important ones first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals import Run, diagnose
from trainvitals.signals import understand
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


@given(st.text(max_size=20))
def test_no_pattern_breaks_the_page(pattern: str) -> None:
    found, _ = matching(TAGS, pattern)
    assert set(found) <= set(TAGS)
