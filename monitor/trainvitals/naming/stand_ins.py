"""What stands in where no loss was logged: perplexity, bits per byte, an error, or a tag named only by its data."""

from __future__ import annotations

from collections.abc import Sequence

from trainvitals.naming.meaning import Meaning
from trainvitals.naming.tokens import stem
from trainvitals.naming.words import NEUTRAL_LOSS_WORDS, SPLIT_WORDS, STAND_INS


def stand_ins(measures: Sequence[Meaning]) -> tuple[list[Meaning], str, frozenset[str]]:
    """Of the measures that fall as a model gets better, those nearest to a loss.

    Returns:
        The tags, what they measure in words, and the words that say so; all empty where nothing can stand in.
    """
    for title, words in STAND_INS:
        found = [measure for measure in measures if measure.better == "down" and _has(measure, words)]
        if found:
            return found, title, words
    return [], "", frozenset()


def named_only_by_data(meanings: Sequence[Meaning]) -> list[Meaning]:
    """Tags such as ``train`` and ``val`` that say nothing but the data; only both together mean curves of a loss."""
    bare = [
        meaning
        for meaning in meanings
        if meaning.kind == "other"
        and meaning.split.data
        and all(word in SPLIT_WORDS or word in NEUTRAL_LOSS_WORDS for word in meaning.name.words)
    ]
    return bare if {meaning.split.data for meaning in bare} == {"train", "val"} else []


def _has(measure: Meaning, words: frozenset[str]) -> bool:
    return any(word in words or stem(word) in words for word in measure.name.words)
