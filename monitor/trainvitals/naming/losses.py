"""Which of a run's losses is the one to judge by, on training data and on each validation suite."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from trainvitals.naming import words as w
from trainvitals.naming.meaning import Meaning
from trainvitals.naming.split import own_suite
from trainvitals.naming.tokens import Name, natural_key, stem, words_of

Placed = Literal["glued", "before", "after"]
Level = Literal[0, 1, 2]
"""0: a whole loss. 1: named after the kind of a main loss, such as ``nll``. 2: something more specific."""

_SEPARATOR = re.compile(r"([_\-\s.:]+)")
_DATALOADER = re.compile(r"dataloader[_ ]?idx[_ ]?\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as its name describes it.

    Args:
        tag: as logged.
        data, family: on which data; see ``split.Split``.
        level: whether it is the whole loss.
        qualifier: the words that say which loss, or which data.
        qualifier_text: the same as logged.
        placed: whether the qualifier is a path segment of its own, in front of the loss or behind it.
        points: how often it was recorded.
        size: median magnitude.
        reason: why it counts as a loss at all, where its name alone does not say so.
        watched: whether our own hooks recorded it.
    """

    tag: str
    words: frozenset[str]
    data: Literal["train", "val", ""]
    family: str
    level: Level
    qualifier: tuple[str, ...]
    qualifier_text: str
    placed: Placed
    points: int = 0
    size: float = 0.0
    reason: str = ""
    watched: bool = False

    @property
    def explicit_total(self) -> bool:
        return bool(self.words & w.TOTAL_WORDS)

    @property
    def smoothed(self) -> bool:
        return bool(self.words & w.SMOOTHED_WORDS)

    @property
    def is_part(self) -> bool:
        """Whether every word of the qualifier is one that parts of losses bear."""
        return bool(self.qualifier) and all(
            word in w.LOSS_PARTS or stem(word) in w.LOSS_PARTS or word in w.LOSS_TYPES or word.isdecimal()
            for word in self.qualifier
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """A loss in its place: ``part`` where it is not to be judged by while there is a better one."""

    tag: str
    why: str
    part: bool = False


def describe_loss(meaning: Meaning, *, points: int, size: float, measure: frozenset[str] = frozenset()) -> Loss:
    """What the name of a loss says beyond its being a loss.

    Args:
        meaning: the tag, understood as a loss.
        points: how often it was recorded.
        size: median magnitude.
        measure: words that stand for the loss itself where a measure stands in for it.
    """
    name = meaning.name
    neutral = w.NEUTRAL_LOSS_WORDS | w.LOSS_WORDS | w.SPLIT_WORDS | measure
    if ("loss", "value") in pairwise(name.words):
        neutral |= {"value"}
    text, placed = _qualifier(name, neutral, w.LOSS_WORDS | w.LOSS_TYPES | measure)
    qualifier = tuple(words_of(text))
    return Loss(
        meaning.tag, frozenset(name.words), meaning.split.data, meaning.split.family, _level(qualifier), qualifier,
        text, placed, points, size,
    )  # fmt: skip


def without_common_words(losses: Sequence[Loss]) -> list[Loss]:
    """The same losses without the qualifying words that all of them bear, such as the name of the model."""
    if len(losses) < 2 or any(own_suite(loss.tag) is not None for loss in losses):
        return list(losses)
    common = frozenset(losses[0].qualifier).intersection(*(loss.qualifier for loss in losses))
    if not common:
        return list(losses)
    return [_without(loss, common) for loss in losses]


def _without(loss: Loss, words: frozenset[str]) -> Loss:
    qualifier = tuple(word for word in loss.qualifier if word not in words)
    return replace(loss, qualifier=qualifier, qualifier_text="_".join(qualifier), level=_level(qualifier))


def _level(qualifier: Sequence[str]) -> Level:
    if not qualifier:
        return 0
    return 1 if all(word in w.LOSS_TYPES for word in qualifier) else 2


def choose_train(losses: Sequence[Loss]) -> list[Chosen]:
    """The losses on training data, the one to judge by first.

    A total comes before its parts. Among totals those recorded densely come first, since a curve a step carries more
    than one point an epoch; then what is called total, what is called training, and what was not smoothed. Before all
    comes what our own hooks recorded: its steps are those of everything else in the run.
    """
    if not losses:
        return []
    level = min(loss.level for loss in losses)
    best = [loss for loss in losses if loss.level == level]
    densest = max(loss.points for loss in best)

    def order(loss: Loss) -> tuple[object, ...]:
        return (
            not loss.watched,
            loss.level,
            loss.level < 2 and 2 * loss.points < densest,
            loss.smoothed,
            -loss.size if loss.level == 2 else 0.0,
            not loss.explicit_total,
            not loss.data,
            bool(loss.words & w.EPOCH_WORDS),
            len(loss.tag),
            natural_key(loss.tag),
        )

    ordered = sorted(losses, key=order)
    return [
        Chosen(loss.tag, _why_train(loss, position, ordered), loss.level > level or _is_summary(loss, densest))
        for position, loss in enumerate(ordered)
    ]


def choose_val(losses: Sequence[Loss], train: Sequence[Loss]) -> tuple[dict[str, Chosen], list[Chosen]]:
    """The loss of each validation suite, the suite to judge by first; and the tags that none is judged by."""
    totals = sorted((loss for loss in losses if loss.level < 2), key=lambda loss: loss.size)
    total_of_family = {loss.family: loss.size for loss in totals}
    train_qualifiers = {loss.qualifier for loss in train}
    parts = [loss for loss in losses if _is_val_part(loss, total_of_family, train_qualifiers)]
    wholes = [loss for loss in losses if loss not in parts]
    if not wholes:
        return _parts_as_suites(parts, train), []
    families = sorted({loss.family for loss in wholes}, key=list(w.VALIDATION_FAMILIES).index)
    members: dict[str, list[Loss]] = {}
    for loss in wholes:
        members.setdefault(_suite(loss, families), []).append(loss)
    first_of_suite = {suite: min(group, key=_val_order) for suite, group in members.items()}
    ordered = sorted(first_of_suite, key=lambda suite: _suite_order(suite, first_of_suite[suite], families))
    chosen = {
        suite: Chosen(first_of_suite[suite].tag, first_of_suite[suite].reason or _why_val(suite)) for suite in ordered
    }
    taken = {loss.tag for loss in first_of_suite.values()}
    rest = [Chosen(loss.tag, "a part of the validation loss", True) for loss in parts]
    rest += [Chosen(loss.tag, "another record of a validation loss", True) for loss in wholes if loss.tag not in taken]
    return chosen, rest


def _is_summary(loss: Loss, densest: int) -> bool:
    """One value beside a whole curve, as the mean that Hugging Face's trainer reports at its end."""
    return loss.points == 1 and densest > 1


def _qualifier(name: Name, neutral: frozenset[str], loss_words: frozenset[str]) -> tuple[str, Placed]:
    """What remains of a tag without the words for data, loss and bookkeeping, and where it stands."""
    if (suite := own_suite(name.tag)) is not None:
        return suite, "before"
    with_split = [i for i, words in enumerate(name.segments) if frozenset(words) & w.SPLIT_WORDS]
    with_loss = [i for i, words in enumerate(name.segments) if frozenset(words) & loss_words]
    said = {*with_split[-1:], *with_loss[-1:]}
    apart = [i for i, words in enumerate(name.segments) if i not in said and not neutral >= frozenset(words)]
    apart = [i for i in apart if not with_split or i > with_split[0]] or apart
    if apart:
        text = "/".join(name.texts[i] for i in range(apart[0], apart[-1] + 1) if i in apart)
        return text, "before" if not with_loss or apart[-1] < with_loss[-1] else "after"
    remains = [text for text in (_remainder(text, neutral) for text in name.texts) if text]
    return "/".join(remains), "glued"


def _remainder(text: str, neutral: frozenset[str]) -> str:
    """What is left of a text when the words at both its ends that say nothing are dropped."""
    pieces = _SEPARATOR.split(text)
    while pieces and neutral >= frozenset(words_of(pieces[0])):
        pieces.pop(0)
    while pieces and neutral >= frozenset(words_of(pieces[-1])):
        pieces.pop()
    if len(pieces) == 1:
        return "_".join(word for word in words_of(pieces[0]) if word not in neutral)
    return "".join(pieces)


def _is_val_part(loss: Loss, total_of_family: Mapping[str, float], train_qualifiers: set[tuple[str, ...]]) -> bool:
    if loss.level < 2 or _DATALOADER.fullmatch(loss.qualifier_text):
        return False
    if loss.placed == "before":
        return loss.is_part and loss.qualifier in train_qualifiers
    if loss.is_part:
        return True
    if loss.qualifier in train_qualifiers:
        return True
    # A word that no part is known by, of a loss larger than the total: what is summed up cannot be, other data can.
    total = total_of_family.get(loss.family)
    other_data = total is None or (train_qualifiers <= {()} and loss.size > total)
    return loss.placed == "glued" and not other_data


def _parts_as_suites(parts: Sequence[Loss], train: Sequence[Loss]) -> dict[str, Chosen]:
    """Without a total every part stands for itself; first the one whose counterpart in training is judged by."""
    judged = choose_train(train)
    by_tag = {loss.tag: loss for loss in train}
    order = [by_tag[chosen.tag].qualifier for chosen in judged]

    def key(loss: Loss) -> tuple[object, ...]:
        place = order.index(loss.qualifier) if loss.qualifier in order else len(order)
        return place, -loss.size, natural_key(loss.tag)

    suites: dict[str, Chosen] = {}
    for loss in sorted(parts, key=key):
        name = "" if len(parts) == 1 else loss.qualifier_text
        suites[name if name not in suites else loss.tag] = Chosen(
            loss.tag, "a part of the validation loss, whose total was not logged"
        )
    return suites


def _suite(loss: Loss, families: Sequence[str]) -> str:
    name = "" if loss.level < 2 else loss.qualifier_text
    if loss.family == families[0]:
        return name
    return f"{loss.family}/{name}" if name else loss.family


def _val_order(loss: Loss) -> tuple[object, ...]:
    return (
        not loss.watched,
        loss.level,
        loss.smoothed,
        bool(loss.words & w.STEP_WORDS) and not loss.words & w.EPOCH_WORDS,
        not loss.explicit_total,
        -loss.points,
        len(loss.tag),
        natural_key(loss.tag),
    )


def _suite_order(suite: str, loss: Loss, families: Sequence[str]) -> tuple[object, ...]:
    return loss.points < 2, families.index(loss.family), suite != "", natural_key(suite)


def _why_train(loss: Loss, position: int, ordered: Sequence[Loss]) -> str:
    if loss.reason:
        return loss.reason
    if len(ordered) == 1:
        return "the only training loss"
    if _is_summary(loss, max(other.points for other in ordered)):
        return "one value for the whole run"
    if position == 0:
        return "the training loss to judge by" if loss.level < 2 else "the largest part; no total was logged"
    return (
        "a part of the training loss"
        if loss.level > ordered[0].level or loss.level == 2
        else "another record of the training loss"
    )


def _why_val(suite: str) -> str:
    return f"validation loss of suite {suite}" if suite else "the validation loss"
