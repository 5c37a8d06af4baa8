"""Text from logs as text in Markdown, whatever it looks like."""

from __future__ import annotations

import re

from trainvitals.reporters.visible import visible

# What Markdown or HTML would take for more than text.
_MARKUP = re.compile(r"([\\`*_<>\[\]|#~$])")

# What GitHub makes links of in text that is no markup at all: people, issues, addresses. It does so after markup was
# read, so that an escape does not help; a space of no width between the characters does.
_LINKED = re.compile(r"@(?=\w)|#(?=\d)|(?<=\w)!(?=\d)|(?<=[wW])\.|:(?=//)|(?<=\w)@", re.ASCII)
_NO_SPACE = "&#8203;"


def plain(text: str) -> str:
    """The text on one line, with nothing in it that is markup."""
    return _MARKUP.sub(r"\\\1", visible(text).replace("&", "&amp;"))


def unlinked(text: str) -> str:
    """The same where it is posted on a platform that links people and issues by their names."""
    parts: list[str] = []
    at = 0
    shown = visible(text)
    for match in _LINKED.finditer(shown):
        parts += [plain(shown[at : match.end()]), _NO_SPACE]
        at = match.end()
    return "".join((*parts, plain(shown[at:])))


def code(text: str, *, longest: int | None = None) -> str:
    """A name or a line as code; nothing in it is linked."""
    shown = visible(text, longest=longest)
    if not shown.strip():
        return plain(shown)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    padding = " " if "`" in (shown[0], shown[-1]) or (shown[0] == shown[-1] == " ") else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def code_block(text: str, language: str) -> list[str]:
    """Lines of code between fences that nothing in it can close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return [f"{fence}{language}", *map(visible, text.splitlines()), fence]
