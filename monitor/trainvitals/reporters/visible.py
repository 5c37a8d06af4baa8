"""Text from logs is untrusted: what could steer a terminal or reorder a line is shown as an escape, never obeyed."""

from __future__ import annotations

import unicodedata

# Control and format characters (escape sequences, bidirectional overrides), line and paragraph separators,
# surrogates that cannot be encoded, private use.
_UNSAFE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def visible(text: str, *, longest: int | None = None) -> str:
    """``text`` on one line with every unsafe character written as a Python escape.

    Args:
        text: anything.
        longest: cut in the middle to this many characters, so that both ends stay readable.
    """
    shown = "".join(_escape(character) if is_unsafe(character) else character for character in text)
    if longest is not None and len(shown) > longest:
        head = (longest - 1) // 2
        shown = f"{shown[:head]}…{shown[len(shown) - (longest - 1 - head) :]}"
    return shown


def is_unsafe(character: str) -> bool:
    """Whether a person would not see this character, or be misled by it."""
    return unicodedata.category(character) in _UNSAFE_CATEGORIES


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
