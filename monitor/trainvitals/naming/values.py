"""Where a name could mean two things, the values decide."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from trainvitals.model import Series
from trainvitals.naming.meaning import Meaning
from trainvitals.naming.words import NOT_A_LEARNING_RATE

LARGEST_LEARNING_RATE = 100.0
"""LARS and plain SGD on normalised problems reach tens; a median above this is a percentage or a count."""
LARGEST_UNNAMED_LEARNING_RATE = 1.0
"""Without the name only the ordinary range counts; Adadelta's 1.0 is the largest default of a common optimizer."""
SHARE_OF_TURNS = 0.1
"""A schedule rises and falls in a few long pieces; a noisy curve turns at two thirds of its points."""

_PARAMETER_GROUP = re.compile(r"pg\d+")


def refine(meaning: Meaning, series: Series) -> Meaning:
    """The same meaning, or the one that the values allow."""
    values = series.latest().finite().value
    if meaning.kind == "learning_rate":
        if len(values) and (np.min(values) < 0 or np.median(values) > LARGEST_LEARNING_RATE):
            return replace(meaning, kind="other", why="named like a learning rate, but its values cannot be one")
    elif meaning.kind == "other" and _hints_at_schedule(meaning):
        if looks_like_schedule(values):
            return replace(meaning, kind="learning_rate", why="named after a schedule, and its values look like one")
    elif meaning.kind == "step_time" and _only_grows(values):
        return replace(meaning, kind="time", why="time since the start: it only grows")
    elif meaning.kind == "tokens" and not _only_grows(values) and len(values) > 2:
        return replace(meaning, kind="other", why="tokens of a batch rather than a count of all")
    elif meaning.kind == "loss" and "elbo" in meaning.name.words and "loss" not in meaning.name.words:
        if len(values) and np.median(values) < 0:
            return replace(meaning, kind="metric", better="up", why="a negative evidence lower bound is maximised")
    elif meaning.kind == "grad_norm" and len(values) and np.min(values) < 0:
        return replace(meaning, kind="other", why="named like a norm, but it is negative")
    return meaning


def looks_like_schedule(values: np.ndarray) -> bool:
    """Positive, at most 1, and made of a few long rises and falls."""
    if len(values) < 2 or np.min(values) < 0 or not 0 < np.max(values) <= LARGEST_UNNAMED_LEARNING_RATE:
        return False
    slope = np.sign(np.diff(values))
    slope = slope[slope != 0]
    return int(np.count_nonzero(np.diff(slope))) <= max(1.0, SHARE_OF_TURNS * len(values))


def _hints_at_schedule(meaning: Meaning) -> bool:
    words = meaning.name.words
    if any(word in NOT_A_LEARNING_RATE for word in words):
        return False
    return any(word in ("schedule", "scheduler") or _PARAMETER_GROUP.fullmatch(word) for word in words)


def _only_grows(values: np.ndarray) -> bool:
    return len(values) > 2 and bool(np.all(np.diff(values) >= 0)) and bool(values[-1] > values[0])
