"""Nothing that steers a terminal survives, and what is harmless stays as it is."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from trainvitals.reporters.visible import visible


@given(st.text(alphabet=st.characters()))
def test_no_control_or_format_character_survives(text: str) -> None:
    assert all(not unicodedata.category(character).startswith("C") for character in visible(text))


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S"))))
def test_letters_digits_and_signs_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


@given(st.text(), st.integers(min_value=3, max_value=40))
def test_a_cut_keeps_both_ends(text: str, longest: int) -> None:
    shown = visible(text, longest=longest)
    whole = visible(text)
    assert len(shown) <= longest or shown == whole
    if len(whole) > longest:
        assert len(shown) == longest
        assert shown[0] == whole[0]
        assert shown[-1] == whole[-1]


def test_an_escape_sequence_is_shown() -> None:
    assert visible("\x1b[2Jx\u202ey") == "\\x1b[2Jx\\u202ey"
