"""A tag's words: in any case, with any separator, in camel case, glued together, or in Chinese and Japanese."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from trainvitals.naming.words import GLUED_HEADS, GLUED_TAILS, GLUED_WHOLES, KEPT_TOGETHER, LOSS_WORDS, TRANSLATED

_WORD_BREAK = re.compile(r"[\W_]+")
_CAMEL_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_KEPT_TOGETHER = re.compile("|".join(map(re.escape, sorted(KEPT_TOGETHER, key=len, reverse=True))))
_TRANSLATED = re.compile("|".join(map(re.escape, sorted(TRANSLATED, key=len, reverse=True))))
_NUMBERING = re.compile(r"^\d+[_\- )]+(?=[^\W\d_])")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Name:
    """A tag, taken apart.

    Args:
        tag: as logged.
        texts: what stands between its slashes, empty parts left out.
        segments: the words of each of ``texts``, in lower case.
    """

    tag: str
    texts: tuple[str, ...]
    segments: tuple[tuple[str, ...], ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All words in their order."""
        return tuple(word for segment in self.segments for word in segment)

    @property
    def last(self) -> tuple[str, ...]:
        """The words after the last slash."""
        return self.segments[-1] if self.segments else ()


def read_name(tag: str) -> Name:
    """Takes a tag apart.

    A number that only sorts (``1_Loss``) is left out, and the folder that ``add_scalars`` makes for each of its curves
    (``Loss_train/Loss``) is read as the curve's name behind the tag (``Loss/train``).
    """
    texts = [_NUMBERING.sub("", text.strip()) for text in tag.split("/") if text.strip()]
    folder, main = texts[0] if texts else "", "_".join(texts[1:])
    if main and folder.startswith(f"{main}_"):
        texts = [*texts[1:], folder[len(main) + 1 :]]
    return Name(tag, tuple(texts), tuple(words_of(text) for text in texts))


# Runs have their names in common, and one that grows is understood again and again.
@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case: ``trainLoss_step`` gives ``train``, ``loss``, ``step``.

    Digits stay with the letters before them (``top5``), and a number apart is a word of its own.
    """
    text = unicodedata.normalize("NFKC", text)
    text = _TRANSLATED.sub(lambda match: f" {TRANSLATED[match.group()]} ", text)
    text = _KEPT_TOGETHER.sub(lambda match: match.group().lower(), text)
    words: list[str] = []
    for part in _WORD_BREAK.split(_CAMEL_BREAK.sub(" ", text)):
        if part:
            words.extend(_unglue(part.lower()))
    return tuple(words)


def stem(word: str) -> str:
    """A word without the digits at its end: ``lr0`` gives ``lr``."""
    return word.rstrip("0123456789")


def natural_key(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A sort key that puts layer 2 before layer 10, and never the same for two different texts."""
    parts = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(text) if part)
    return parts, text


def _unglue(word: str) -> tuple[str, ...]:
    if word in GLUED_WHOLES:
        return GLUED_WHOLES[word]
    if stem(word) != word and stem(word) in LOSS_WORDS:
        return (stem(word), word[len(stem(word)) :])
    if word in GLUED_TAILS:
        return (word,)
    for tail in GLUED_TAILS:
        if word.endswith(tail) and (word[: -len(tail)] in GLUED_HEADS or tail == "loss"):
            return (word[: -len(tail)], tail)
    for tail in GLUED_TAILS:
        if word.startswith(tail) and word[len(tail) :] in GLUED_HEADS:
            return (tail, word[len(tail) :])
    return (word,)
