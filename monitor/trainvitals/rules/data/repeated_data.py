"""DAT001: the same few batches come again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.data.batch_cycle import batch_cycle, regular_return
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 20
LEVEL_SHARE = 0.1
"""Of a curve: the points whose median is its level, at the start and at the end."""

HALF = 0.5
SURE, LIKELY, NOTED = 0.95, 0.85, 0.6


@dataclass(frozen=True, slots=True)
class Heart:
    """What was learnt by heart: a training loss that fell far below a validation loss that got worse.

    Args:
        train_tag, val_tag: which. train, val: levels at the end. rise: of the validation loss over its best level.
        gained: by the validation loss since its first value, as a share of it.
    """

    train_tag: str
    val_tag: str
    train: float
    val: float
    rise: float
    gained: float


@dataclass(frozen=True, slots=True)
class Batches:
    """The recorded batches.

    Args:
        records, different: how many were recorded, and how many different ones are among them.
        cycle: how many batches there are in a fixed order, as the loss of every step tells; None where it does not.
        aliased: they return at one distance, so that a longer cycle may look like a few batches.
        again_in_epoch: how many came before in the same epoch; None where epochs were not logged.
        first_step, last_step: of the records.
    """

    records: int
    different: int
    cycle: int | None
    aliased: bool
    again_in_epoch: int | None
    first_step: int
    last_step: int
    heart: Heart | None


class RepeatedData(Rule[Batches]):
    """The same few batches come again and again, so that the model learns them by heart.

    What it finds
    -------------
    A training that sees a handful of batches only, while its validation loss gets worse; and batches that come again
    within one epoch. As an information: very few different batches without that harm, as in training on the whole set
    at once.

    Why it matters
    --------------
    A model that is shown four batches learns four batches. The training loss looks splendid. The usual reasons: an
    iterator that is made anew in each step, a cache in the wrong place, a sampler that is seeded anew.

    How it is detected
    ------------------
    The hooks record a checksum of each recorded batch, which is the same for equal batches only. Several epochs over
    shuffled data hardly ever give the same batch twice, however many they are. A warning: at most `few_batches`
    different ones, each recorded `times_each` times on average, a training loss at less than half of the validation
    loss, and a validation loss that rose by `smallest_rise` over its best level, or gained less than `smallest_gain`
    since its first value, or is `times_training` times the training loss (several batches; the whole set may be one).
    Data in a fixed order that are recorded at every tenth step look like a few batches: then the loss of every step
    must come again with the cycle and with no other distance, which tells how many there are; else only the rise
    counts. Or, where epochs were logged: at least `largest_share_again` of the recorded batches had come before in the
    same epoch.

    False alarms
    ------------
    Training on the whole set as one batch shows one checksum: that is an information, unless the validation loss gets
    worse, which is overfitting of a small set as much as repetition. Overfitting one batch on purpose, as a test of
    the code.

    What to try
    -----------
    Make the iterator once an epoch and not in each step; shuffle anew in every epoch; look at the indices that the
    sampler draws.

    Sources
    -------
    Hernandez et al. 2022, "Scaling laws and interpretability of learning from repeated data". Muennighoff et al. 2023,
    "Scaling data-constrained language models": up to four epochs are nearly as good as new data.
    """

    code = "DAT001"
    name = "repeated-data"
    summary = "The same few batches come again and again."
    reads = (tags.BATCH_CHECKSUM, "epoch", "train_loss", "val_loss")
    thresholds = (
        Threshold(
            "few_batches",
            8.0,
            "Different batches. A set of so few is learnt by heart within a few hundred steps.",
            "convention; data sets in use have hundreds of batches",
        ),
        Threshold("times_each", 4.0, "Records of each batch on average: it is no chance.", "convention"),
        Threshold(
            "smallest_rise",
            0.05,
            "Of the validation loss over its best level.",
            "as for overfitting: the strictest of the classic stopping criteria (Prechelt 1998)",
        ),
        Threshold(
            "smallest_gain",
            0.1,
            "Of the first validation loss: what training gained beyond that was learnt by heart.",
            "convention",
        ),
        Threshold(
            "times_training",
            10.0,
            "By so much the validation loss is above that of the few batches: these are known, and nothing else.",
            "convention",
        ),
        Threshold(
            "largest_share_again",
            0.1,
            "Of the recorded batches. An epoch has each example once; padding at its end repeats one batch at most.",
            "definition of an epoch",
        ),
    )
    absorbs = ("overfitting", "plateau", "unshuffled-data", "periodic-loss", "oscillating-loss", "limited-diversity")
    interventions = ("shuffle-data", "more-data", "data-mixing", "early-stopping")

    def measure(self, view: RunView) -> Batches | NotEnough:
        checksum = view.recorded(tags.BATCH_CHECKSUM)
        epoch = view.series(view.signals.epoch[0]).finite() if view.signals.epoch else None
        heart, loss = _by_heart(view), view.train_loss
        if checksum is None or len(checksum) < MINIMUM_RECORDS:
            return NotEnough((tags.BATCH_CHECKSUM,), logging_lines.WATCH)
        different = len(np.unique(checksum.value))
        regular = regular_return(checksum)
        cycle = None if regular is None or loss is None else batch_cycle(loss.curve, regular)
        return Batches(
            records=len(checksum),
            different=different,
            cycle=cycle,
            aliased=regular is not None and different > 1,
            again_in_epoch=None if epoch is None or len(epoch) == 0 else _again_in_epoch(checksum, epoch),
            first_step=int(checksum.step[0]),
            last_step=int(checksum.step[-1]),
            heart=heart,
        )

    def judge(self, measurement: Batches, limits: Mapping[str, float]) -> list[Finding]:
        different = measurement.cycle or measurement.different
        told_apart = measurement.cycle is not None or not measurement.aliased
        few = different <= limits["few_batches"] and measurement.records >= limits["times_each"] * different
        again = (measurement.again_in_epoch or 0) / measurement.records
        repeats = again >= limits["largest_share_again"]
        if not few and not repeats:
            return []
        heart = measurement.heart
        rose = heart is not None and heart.rise >= limits["smallest_rise"]
        apart = told_apart and heart is not None and _is_apart(heart, limits, several=different > 1)
        harmed = few and heart is not None and (rose or apart)
        if not repeats and not harmed and not told_apart:
            return []
        evidence = [
            Evidence(
                f"{different} different batches in {measurement.records} records",
                signal=tags.BATCH_CHECKSUM,
                value=float(different),
                threshold=float(limits["few_batches"]),
                step=measurement.first_step,
            )
        ]
        if repeats:
            text = f"{again:.0%} of the recorded batches had come before in the same epoch"
            evidence.append(Evidence(text, tags.BATCH_CHECKSUM, again, limits["largest_share_again"]))
        if harmed and heart is not None:
            if rose:
                text = f"{heart.val_tag} rose by {heart.rise:.0%} over its best, to {heart.val:.3g}"
                evidence.append(Evidence(text, heart.val_tag, heart.rise, limits["smallest_rise"]))
            else:
                text = f"{heart.val_tag} has gained {max(heart.gained, 0.0):.0%} since its first value"
                evidence.append(Evidence(text, heart.val_tag, heart.gained, limits["smallest_gain"]))
            evidence.append(Evidence(f"{heart.train_tag} is at {heart.train:.3g}", heart.train_tag, heart.train))
        summary = (
            f"only {different} different batches in {measurement.records} records"
            if few
            else f"{measurement.again_in_epoch} of {measurement.records} recorded batches came again in the same epoch"
        )
        return [
            self.finding(
                Severity.WARNING if repeats or harmed else Severity.INFO,
                SURE if repeats else LIKELY if harmed else NOTED,
                f"{summary}, which the model learns by heart" if harmed else summary,
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: Batches, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.different <= limits["few_batches"]:
            return None
        text = f"{measurement.different} of {measurement.records} recorded batches are different"
        return Evidence(text, tags.BATCH_CHECKSUM, measurement.different, limits["few_batches"])


def _is_apart(heart: Heart, limits: Mapping[str, float], *, several: bool) -> bool:
    known_only_by_heart = several and heart.val >= limits["times_training"] * heart.train
    return heart.gained < limits["smallest_gain"] or known_only_by_heart


def _again_in_epoch(checksum: Series, epoch: Series) -> int:
    """How many batches came before in the epoch they are in, as the epoch was last told at their step."""
    at = np.searchsorted(epoch.step, checksum.step, side="right") - 1
    known = at >= 0
    number = np.floor(np.asarray(epoch.value, dtype=np.float64)[at[known]])
    both = np.stack([number, np.asarray(checksum.value, dtype=np.float64)[known]])
    return int(known.sum()) - int(np.unique(both, axis=1).shape[1])


def _by_heart(view: RunView) -> Heart | None:
    train, val = view.train_loss, view.val_loss
    if train is None or val is None or min(len(train), len(val)) < 2:
        return None
    points = max(1, round(LEVEL_SHARE * len(val)))
    levels = np.convolve(np.asarray(val.curve.value, dtype=np.float64), np.ones(points) / points, mode="valid")
    best, end = float(levels.min()), float(levels[-1])
    now = float(np.median(train.curve.value[-max(1, round(LEVEL_SHARE * len(train))) :]))
    if not best > 0 or now > HALF * end:
        return None
    first = float(levels[0])
    return Heart(train.tag, val.tag, now, end, end / best - 1, 1 - end / first if first > 0 else 1.0)
