"""Colours are seen on both pages, and text from a log stays text."""

from __future__ import annotations

import pytest

from trainvitals.figures import look
from trainvitals.model import Severity

WHITE, STREAMLIT_DARK = "#ffffff", "#0e1117"


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", [WHITE, STREAMLIT_DARK])
def test_text_is_readable_and_every_line_is_seen_on_both_pages(page: str) -> None:
    assert contrast(look.TEXT, page) > 4
    assert all(contrast(colour, page) > 2 for colour in look.RUN_COLOURS)


def test_no_severity_and_no_run_is_told_by_colour_alone() -> None:
    looks = [look.SEVERITY_LOOK[severity] for severity in Severity]
    for of in ("colour", "icon", "word", "pattern"):
        assert len({getattr(each, of) for each in looks}) == len(Severity)
    assert len(set(look.RUN_COLOURS)) == len(set(look.RUN_DASHES)) == len(set(look.RUN_SYMBOLS)) == look.MOST_RUNS


def test_nothing_in_a_label_is_markup() -> None:
    assert look.label('<a href="x">&lt;b\x1b[31m\n') == '&lt;a href="x"&gt;&amp;lt;b\\x1b[31m\\n'


def test_a_long_label_keeps_both_ends() -> None:
    assert look.label("a" * 50 + "z" * 50, longest=11) == "aaaaa…zzzzz"


def test_a_hover_has_short_lines_and_no_other_markup() -> None:
    shown = look.hover_text("a <b>long</b> sentence " * 20, longest=300)
    lines = shown.split("<br>")
    assert len(lines) > 1
    assert max(len(line.replace("&lt;", "<").replace("&gt;", ">")) for line in lines) <= look.HOVER_CHARACTERS
    assert not any("<" in line for line in lines)


def test_a_faint_colour_is_the_same_colour() -> None:
    assert look.faint("#0072B2", 0.25) == "rgba(0, 114, 178, 0.25)"
