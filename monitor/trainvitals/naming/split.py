"""On which data a quantity was measured, as its name says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from trainvitals.naming.tokens import Name, stem
from trainvitals.naming.words import TRAIN_WORDS, VALIDATION_FAMILIES

_OWN_SUITE = re.compile(r"val/(?P<suite>.+)/loss", re.DOTALL)
_DEFAULT_FAMILY = next(iter(VALIDATION_FAMILIES))
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


def own_suite(tag: str) -> str | None:
    """The suite in a tag that our own hooks wrote (``tags.validation_loss``), whatever words it is made of."""
    match = _OWN_SUITE.fullmatch(tag)
    return match["suite"] if match else None


def split_of(name: Name) -> Split:
    """The last word that names data decides: ``train/eval_loss`` is a validation loss, ``eval/train_loss`` is not.

    A segment that names both, such as ``Training vs. Validation Loss``, only decides where no other one does. What is
    merely called an evaluation takes the more telling name: ``eval/test_loss`` and ``test/eval_loss`` are of test data.
    """
    if own_suite(name.tag) is not None:
        return Split("val", _DEFAULT_FAMILY)
    segments = [_splits(words) for words in name.segments]
    deciding = [found for found in segments if len({split.data for split in found}) == 1] or list(
        filter(None, segments)
    )
    if not deciding:
        return UNSAID
    last = deciding[-1][-1]
    if last.family != "eval":
        return last
    return next((split for split in _flat(deciding) if split.family not in ("", "eval")), last)


def _splits(words: tuple[str, ...]) -> list[Split]:
    """What the words of one segment name; beside ``train`` an ``eval`` only says in which mode: ``train_loss_eval``."""
    found = [split for split in map(_split_of_word, words, (None, *words)) if split is not None]
    if any(split.data == "train" for split in found):
        found = [split for split in found if split.family != "eval"]
    return found


def _flat(segments: list[list[Split]]) -> list[Split]:
    return [split for found in segments for split in found]


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
