"""Whether a metric moves, is good, or stands where guessing puts it."""

from __future__ import annotations

import re

import numpy as np

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.model import Series
from trainvitals.naming.tokens import read_name
from trainvitals.view import RunView

# A metric moved when the medians of its first and last third differ by three standard deviations of its noise and by
# two hundredths of its scale; it is good when it is beyond four fifths of the way to perfect.
METRIC_SDS, METRIC_MOVED, METRIC_GOOD = 3.0, 0.02, 0.8
METRIC_POINTS = 3
# Guessing among K equally frequent classes is right once in K; it ranks a pair rightly once in two, whatever K.
ACCURACY_WORDS = frozenset(("acc", "accs", "accuracy", "accuracies"))
RANKING_WORDS = frozenset(("auc", "auroc", "aucroc", "rocauc"))
# These make another number of either: the area under precision and recall, or the best k of the answers.
OTHER_CHANCE = re.compile(r"pr|precision|top\d*|\d+")


def change_of(series: Series) -> float | None:
    """From the first to the last third; 0 where it is within noise, None with too few points."""
    value = np.asarray(series.value, dtype=np.float64)
    third = len(value) // 3
    if third < 1 or len(value) < METRIC_POINTS:
        return None
    change = float(np.median(value[-third:]) - np.median(value[:third]))
    scale = float(np.max(np.abs(value)))
    # The median of a third varies less than a point, so this is more than three of its own standard deviations.
    return change if abs(change) > max(METRIC_SDS * difference_noise_sd(value), METRIC_MOVED * scale) else 0.0


def is_good(series: Series, *, better_up: bool) -> bool:
    """Whether a score between 0 and 1, or 0 and 100, is near its best."""
    last = float(np.median(series.value[-METRIC_POINTS:]))
    perfect = 1.0 if float(series.value.max()) <= 1.0 else 100.0
    return METRIC_GOOD * perfect <= last <= perfect if better_up else 0.0 <= last <= (1 - METRIC_GOOD) * perfect


def flat_metric(view: RunView) -> tuple[str, float] | None:
    """The first metric that does not move, and its last value."""
    for metric in view.signals.metrics:
        series = view.series(metric.tag).finite()
        if change_of(series) == 0.0:
            return metric.tag, float(series.value[-1])
    return None


def metric_at_chance(view: RunView, classes: int) -> tuple[str, float] | None:
    """The first metric that stands all the time where guessing among so many classes puts it, and its last value."""
    for metric in view.signals.metrics:
        series = view.series(metric.tag).finite()
        guessed = _score_of_guessing(metric.tag, classes)
        if guessed is None or change_of(series) != 0.0:
            continue
        value = np.asarray(series.value, dtype=np.float64)
        expected = guessed if float(value.max()) <= 1.0 else 100.0 * guessed
        tolerance = max(METRIC_SDS * difference_noise_sd(value) / len(value) ** 0.5, METRIC_MOVED * expected)
        if abs(float(np.median(value)) - expected) <= tolerance:
            return metric.tag, float(value[-1])
    return None


def _score_of_guessing(tag: str, classes: int) -> float | None:
    words = frozenset(read_name(tag).words)
    if any(OTHER_CHANCE.fullmatch(word) for word in words):
        return None
    if words & RANKING_WORDS:
        return 0.5
    return 1.0 / classes if words & ACCURACY_WORDS else None
