"""Measures that are not a loss: on which data each was taken, and of which validation suite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from trainvitals.naming.losses import describe_loss
from trainvitals.naming.meaning import Meaning
from trainvitals.naming.split import Split
from trainvitals.naming.tokens import stem
from trainvitals.naming.words import BETTER_DOWN, BETTER_UP, EVALUATION_ONLY, SPLIT_WORDS, VALIDATION_FAMILIES
from trainvitals.tags import validation_metric

_MEASURE_WORDS = BETTER_DOWN | BETTER_UP
_DEFAULT_FAMILY = next(iter(VALIDATION_FAMILIES))


def place_measures(measures: Sequence[Meaning], others: Sequence[Meaning]) -> list[Meaning]:
    """The same measures, each with its data.

    A bare ``accuracy`` beside ``val_accuracy`` was taken in training, beside ``train_accuracy`` it was not. Without
    such a twin it is of validation data where the run calls its training curves ``train``, as fastai does, or where
    nobody takes such a measure in training; else of training data, as in Keras.
    """
    data_of_twins: dict[tuple[str, ...], set[str]] = {}
    for measure in measures:
        data_of_twins.setdefault(_without_split(measure), set()).add(measure.split.data)
    bare_loss = any(meaning.kind == "loss" and not meaning.split.data for meaning in others)
    says_split = not bare_loss and any(
        meaning.split.data for meaning in (*measures, *others) if meaning.kind in ("loss", "metric")
    )
    placed = []
    for measure in measures:
        if not measure.split.data:
            twins = data_of_twins[_without_split(measure)]
            in_training = "val" in twins or not (
                "train" in twins or says_split or any(_is_evaluation(word) for word in measure.name.words)
            )
            split = Split("train") if in_training else Split("val", _DEFAULT_FAMILY)
            measure = replace(measure, split=split)
        placed.append(measure)
    return placed


def suite_of_measure(measure: Meaning, suites: Collection[str]) -> str:
    """The validation suite of a measure: one that has a loss, or one that has a path segment of its own."""
    if measure.split.data != "val":
        return ""
    for suite in suites:
        if suite and measure.tag.startswith(validation_metric("", suite)):
            return suite
    words = frozenset(word for word in measure.name.words if word in _MEASURE_WORDS or stem(word) in _MEASURE_WORDS)
    described = describe_loss(measure, points=0, size=0.0, measure=words | {"rate"})
    for name in (described.qualifier_text, measure.split.family, f"{measure.split.family}/{described.qualifier_text}"):
        if name and name in suites:
            return name
    return described.qualifier_text if described.placed == "before" else ""


def _without_split(measure: Meaning) -> tuple[str, ...]:
    return tuple(sorted(word for word in measure.name.words if word not in SPLIT_WORDS))


def _is_evaluation(word: str) -> bool:
    return word in EVALUATION_ONLY or stem(word) in EVALUATION_ONLY
