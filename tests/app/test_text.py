"""Text from logs is shown, never obeyed."""

import pytest

from trainvitals_app import text


def test_every_mark_of_markdown_is_escaped():
    assert text.markdown("[x](y) *b* `c` <i> $m$") == r"\[x\]\(y\) \*b\* \`c\` \<i\> \$m\$"


@pytest.mark.parametrize("hostile", [":smile:", ":material/home:", "x:red[y]", "www.example.org", "a@example.org"])
def test_what_is_recognised_after_escapes_are_gone_is_broken_up(hostile):
    unescaped = text.markdown(hostile).replace("\\", "")
    assert hostile not in unescaped
    assert unescaped.replace("\u2060", "") == hostile


def test_control_characters_are_shown_as_escapes():
    assert text.markdown("a\nb\x1b") == r"a\\nb\\x1b"
    assert text.label("a\u202eb") == r"a\u202eb"


def test_code_cannot_be_left_by_backticks():
    assert text.code("a``b`c") == "``` a``b`c ```"
    assert text.code("") == ""


def test_labels_of_plotly_hold_no_tags():
    assert text.label('<a href="x">&amp;') == '&lt;a href="x"&gt;&amp;amp;'
