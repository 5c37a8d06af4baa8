"""Which signals of some runs are shown, and in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainvitals.errors import TrainvitalsError
from trainvitals_app.parts.bounded_search import BRANCHING, search
from trainvitals_app.runs.open_runs import Snapshot

LONGEST_PATTERN = 200
# Of a tag, so much is searched: nobody looks for what comes after that.
LONGEST_SEARCHED = 300

_NUMBER = re.compile(r"(\d+)")


def tags_of(snapshots: Sequence[Snapshot]) -> list[str]:
    """Every tag of these runs once: losses, learning rates and norms first, what each layer has last."""
    first: dict[str, None] = {}
    per_layer: set[str] = set()
    for snapshot in snapshots:
        signals = snapshot.signals
        judged = (*signals.train_loss, *signals.val_loss.values(), *(metric.tag for metric in signals.metrics))
        first |= dict.fromkeys(judged + signals.learning_rate + signals.grad_norm)
        per_layer |= {tag for tags in signals.per_layer.values() for tag in tags.tags}
    every = {tag for snapshot in snapshots for tag in snapshot.run.series}
    rest = sorted(every - first.keys(), key=lambda tag: (tag in per_layer, _natural(tag)))
    return [*(tag for tag in first if tag in every), *rest]


def matching(tags: Sequence[str], pattern: str) -> tuple[list[str], str | None]:
    """The tags in which the regular expression is found, whatever the case; all of them for an empty one.

    Returns:
        The tags, and in a line what is wrong with the expression, if anything is; then all tags are returned.
    """
    if len(pattern) > LONGEST_PATTERN:
        return list(tags), f"the filter is longer than {LONGEST_PATTERN} characters"
    try:
        found = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        where = f" at position {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
        return list(tags), f"this is no regular expression: {getattr(error, 'msg', error)}{where}"
    texts = [tag[:LONGEST_SEARCHED] for tag in tags]
    if not BRANCHING.intersection(pattern):
        return [tag for tag, text in zip(tags, texts, strict=True) if found.search(text)], None
    try:
        is_found = search(pattern, tuple(texts))
    except TrainvitalsError as error:
        return list(tags), error.message()
    if is_found is None:
        return list(tags), "to search for this takes too long; a simpler expression may say the same"
    return [tag for tag, matches in zip(tags, is_found, strict=True) if matches], None


def _natural(tag: str) -> list[tuple[int, int, str]]:
    """Numbers in their order: ``layer2`` before ``layer10``."""
    parts = _NUMBER.split(tag.casefold())
    return [(0, int(part), "") if place % 2 else (1, 0, part) for place, part in enumerate(parts)]
