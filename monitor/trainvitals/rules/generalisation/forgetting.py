"""GEN006: what the model knew before gets lost while it learns something else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.turning_point import TurningPoint, turning_point
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

MINIMUM_VALIDATIONS = 8
LEVEL_SHARE = 0.2
"""Of the stretch after the best: what its level at the beginning and at the end is the median of."""

FEWEST_BLOCKS_AFTER = 3
"""Between the best and the end: fewer are no stretch over which another suite could be followed."""

FALL_SCORE = 4.0
"""Of the noise of one such level: as for the rise."""

MORE_THAN_MEDIAN = 1.25
"""The standard error of a median over that of a mean, for normal noise (the root of pi / 2)."""

OF_TRAINING = re.compile(r"(^|[^a-z])(train|probe)", re.IGNORECASE)
"""Suites made of training examples: beside those, a validation loss that rises is overfitting."""

SURE, LIKELY = 0.9, 0.75
CRITICAL_TIMES = 5.0
"""The limit: from a tenth of a nat on forgetting is beyond doubt worth acting on."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A suite that gets worse, and another that gets better meanwhile.

    Args:
        tag: what gets worse. turn: its logarithm, from the best on.
        best_step, end_step: where it turned, and the end.
        best, end: levels of the loss.
        other_tag: what gets better. other_before, other_now: its levels over the same stretch.
    """

    tag: str
    turn: TurningPoint
    best_step: int
    end_step: int
    best: float
    end: float
    other_tag: str
    other_before: float
    other_now: float

    @property
    def rise(self) -> float:
        return self.end / self.best - 1


class Forgetting(Rule[tuple[Lost, ...]]):
    """What the model could do before gets lost while it learns something else.

    What it finds
    -------------
    One validation suite whose loss has risen from its best, while the loss of another suite fell over the same steps.

    Why it matters
    --------------
    A model that is trained further on new data gives up what the new data do not ask for. What is lost is cheap to keep
    and expensive to learn again.

    How it is detected
    ------------------
    It needs two suites. The turning point of each is found as for overfitting: blocks, the lowest running median, the
    level at the end. A finding needs a rise of at least `smallest_rise` over the best level; of `smallest_score` times
    the noise of a block, more where blocks are few; and `times_healed_rise` times as large as any rise that was undone
    before. That mutes the stability gap, the loss of the first steps on new data that comes back by itself. Another
    suite must meanwhile have fallen by as large a share, and by more than its noise; otherwise all get worse, and that
    is overfitting or divergence.

    False alarms
    ------------
    Two suites of the same kind of which one overfits earlier look the same. Suites of training examples (by their name:
    train, probe) are not held against the others. Where forgetting is wanted, as in unlearning, accept the finding.

    What to try
    -----------
    Replay a few percent of the old data; warm up to a lower rate; stop at the step where both are good enough; train
    adapters instead of all weights.

    Sources
    -------
    Ibrahim et al. 2024, "Simple and scalable strategies to continually pre-train large language models". De Lange et
    al. 2023 and Guo et al. 2024 (arXiv 2406.14833) on the stability gap.
    """

    code = "GEN006"
    name = "forgetting"
    summary = "One validation suite gets worse while another gets better."
    reads = ("val_loss",)
    thresholds = (
        Threshold(
            "smallest_rise",
            0.02,
            "Of the best level; two hundredths of a nat at a loss of one are a visible loss of ability.",
            "ours; 0.02 nats as a warning, 0.1 as critical",
        ),
        Threshold("smallest_score", 4.0, "The rise over the noise of a block.", "as for overfitting"),
        Threshold("false_alarm_rate", 0.005, "Few blocks know their noise badly.", "as for overfitting"),
        Threshold(
            "times_healed_rise",
            2.0,
            "A rise that was undone before may be undone again; this one must be clearly larger.",
            "the stability gap comes back by itself (arXiv 2406.14833)",
        ),
    )
    absorbs = ("overfitting", "plateau", "validation-shift")
    interventions = ("replay-old-data", "lower-learning-rate", "data-mixing", "restore-checkpoint")

    def measure(self, view: RunView) -> tuple[Lost, ...] | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        suites = [loss for loss in view.val_losses.values() if not OF_TRAINING.search(loss.suite)]
        positive = [loss for loss in suites if len(loss) >= MINIMUM_VALIDATIONS and float(loss.curve.value.min()) > 0]
        if len(positive) < 2:
            return NotEnough()
        return tuple(lost for loss in positive if (lost := _lost(loss, positive)) is not None)

    def judge(self, measurement: tuple[Lost, ...], limits: Mapping[str, float]) -> list[Finding]:
        forgotten = [lost for lost in measurement if _is_forgotten(lost, limits)]
        if not forgotten:
            return []
        worst = max(forgotten, key=lambda lost: lost.rise)
        return [
            self.finding(
                Severity.WARNING,
                SURE if worst.rise >= CRITICAL_TIMES * limits["smallest_rise"] else LIKELY,
                f"{worst.tag} rose by {worst.rise:.1%} since step {worst.best_step:,} while {worst.other_tag} fell "
                f"from {worst.other_before:.3g} to {worst.other_now:.3g}",
                first_step=min(lost.best_step for lost in forgotten),
                last_step=worst.end_step,
                evidence=tuple(item for lost in forgotten for item in _evidence(lost, limits)),
            )
        ]


def _is_forgotten(lost: Lost, limits: Mapping[str, float]) -> bool:
    needed = lost.turn.score_needed(limits["smallest_score"], limits["false_alarm_rate"])
    return (
        lost.rise >= limits["smallest_rise"]
        and lost.turn.blocks_after >= FEWEST_BLOCKS_AFTER
        and lost.turn.low_end > 0
        and lost.turn.score >= needed
        and lost.turn.rise >= limits["times_healed_rise"] * lost.turn.healed_rise
        and lost.other_now <= (1 - limits["smallest_rise"]) * lost.other_before
    )


def _evidence(lost: Lost, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    return (
        Evidence(
            f"{lost.tag} rose from {lost.best:.4g} to {lost.end:.4g}, {lost.turn.score:.3g} times its noise",
            signal=lost.tag,
            value=lost.rise,
            threshold=limits["smallest_rise"],
            step=lost.best_step,
        ),
        Evidence(
            f"{lost.other_tag} fell from {lost.other_before:.4g} to {lost.other_now:.4g} over the same steps",
            signal=lost.other_tag,
            value=lost.other_now,
            threshold=(1 - limits["smallest_rise"]) * lost.other_before,
        ),
    )


def _lost(loss: LossCurve, suites: list[LossCurve]) -> Lost | None:
    """The suite from its best on, beside the other that fell most since; None where none fell beyond its noise."""
    turn = turning_point(np.log(np.asarray(loss.curve.value, dtype=np.float64)))
    best_step = int(loss.curve.step[turn.best_index])
    falls = [(other, _fall(other.curve, best_step)) for other in suites if other is not loss]
    fell = [(other, levels) for other, levels in falls if levels is not None]
    if not fell or turn.rise <= 0:
        return None
    other, (before, now) = min(fell, key=lambda each: each[1][1] / each[1][0])
    best, end = float(np.exp(turn.best_level)), float(np.exp(turn.end_level))
    end_step = int(loss.curve.step[-1])
    return Lost(loss.tag, turn, best_step, end_step, best, end, other.tag, before, now)


def _fall(curve: Series, since_step: int) -> tuple[float, float] | None:
    """The levels of a curve at the beginning and the end of the stretch since a step; None where it did not fall."""
    value = np.asarray(curve.value[curve.step >= since_step], dtype=np.float64)
    points = max(2, round(LEVEL_SHARE * len(value)))
    if len(value) < 2 * points:
        return None
    first, last = value[:points], value[-points:]
    before, now = float(np.median(first)), float(np.median(last))
    noise = max(float(np.std(last, ddof=1)), np.finfo(np.float64).tiny) * MORE_THAN_MEDIAN / np.sqrt(points)
    return (before, now) if before - now >= FALL_SCORE * noise else None
