"""On which data a quantity was measured, as its name says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainvitals.naming.tokens import Name, stem
from trainvitals.naming.words import TRAIN_WORDS, VALIDATION_FAMILIES

_FAMILY_OF_WORD = {word: family for family, words in VALIDATION_FAMILIES.items() for word in words}


@dataclass(frozen=True, slots=True)
class Split:
    """The data: ``train``, ``val`` or unsaid.

    Args:
        data: ``train``, ``val``, or ``""`` where the name does not say.
        family: for ``val`` the key in ``VALIDATION_FAMILIES``.
    """

    data: Literal["train", "val", ""]
    family: str = ""


UNSAID = Split("")


def split_of(name: Name) -> Split:
    """The last word that names data decides: ``train/eval_loss`` is a validation loss, ``eval/train_loss`` is not.

    A segment that names both, such as ``Training vs. Validation Loss``, only decides where no other one does.
    """
    both: Split | None = None
    for segment in reversed(name.segments):
        found = [split for split in map(_split_of_word, segment, (None, *segment)) if split is not None]
        if len({split.data for split in found}) == 1:
            return found[-1]
        if found and both is None:
            both = found[-1]
    return both or UNSAID


def _split_of_word(word: str, before: str | None) -> Split | None:
    if word == "out" and before in ("held", "hold"):
        return Split("val", "holdout")
    if word == "dev" and before in ("std", "standard"):
        return None
    for form in (word, stem(word)):
        if form in _FAMILY_OF_WORD:
            return Split("val", _FAMILY_OF_WORD[form])
        if form in TRAIN_WORDS:
            return Split("train")
    return None
