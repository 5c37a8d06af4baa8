"""Text from logs is untrusted: here it is made safe for the places that would read it as more than text."""

from __future__ import annotations

import re

from trainvitals.reporters.visible import visible

# Every ASCII punctuation mark that Markdown may give a meaning to can be escaped by a backslash.
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&=^\"'/@,;%?:])")
# Some things are recognised after escapes are gone: shortcodes such as ``:smile:`` and ``:material/home:``, and bare
# addresses. A word joiner, which nobody sees, breaks them up.
_RECOGNISED_LATER = re.compile(r"(?<=:)(?=[\w+\-/])|(?<=www)(?=\.)|(?<=\w)(?=@\w)", re.IGNORECASE)
_JOINER = "\u2060"


def markdown(text: str, *, longest: int | None = None) -> str:
    """``text`` for ``st.markdown``, labels and toasts: shown character by character, on one line, and never obeyed.

    Args:
        text: anything.
        longest: cut in the middle to this many characters.
    """
    shown = visible(text, longest=longest)
    return _MARKS.sub(r"\\\1", _RECOGNISED_LATER.sub(_JOINER, shown))


def code(text: str, *, longest: int | None = None) -> str:
    """``text`` as inline code for ``st.markdown``, where a name should look like a name."""
    shown = visible(text, longest=longest)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    # A blank at both ends belongs to the fence and is not shown; without anything in it there is no code at all.
    return f"{fence} {shown} {fence}" if shown.strip() else markdown(shown)


def label(text: str, *, longest: int | None = None) -> str:
    """``text`` for names and hovers in a plotly figure, which reads ``<b>`` and links."""
    return visible(text, longest=longest).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
