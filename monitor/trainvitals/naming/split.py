"""On which data a quantity was measured, as its name says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trainvitals.naming.tokens import stem
from trainvitals.naming.words import TRAIN_WORDS, VALIDATION_FAMILIES

_FAMILY_OF_WORD = {word: family for family, words in VALIDATION_FAMILIES.items() for word in words}


@dataclass(frozen=True, slots=True)
class Split:
    """The data: ``train``, ``val`` or unsaid.

    Args:
        data: ``train``, ``val``, or ``""`` where the name does not say.
        family: for ``val`` the key in ``VALIDATION_FAMILIES``.
        position: index of the deciding word, -1 without one.
    """

    data: Literal["train", "val", ""]
    family: str = ""
    position: int = -1


def split_of(words: Sequence[str]) -> Split:
    """The last word that names data decides: ``train/eval_loss`` is a validation loss, ``eval/train_loss`` is not."""
    for position in range(len(words) - 1, -1, -1):
        word = words[position] if words[position] in _FAMILY_OF_WORD else stem(words[position])
        before = words[position - 1] if position else ""
        if word == "out" and before in ("held", "hold"):
            return Split("val", "holdout", position)
        if word == "dev" and before in ("std", "standard"):
            continue
        if word in _FAMILY_OF_WORD:
            return Split("val", _FAMILY_OF_WORD[word], position)
        if word in TRAIN_WORDS:
            return Split("train", "", position)
    return Split("")
