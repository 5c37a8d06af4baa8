"""GEN004: validation data differ from training data, or are measured in another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.generalisation import passes
from trainvitals.rules.generalisation.beside import beside, noise_of
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_VALIDATIONS = 6
VALIDATIONS_IN_THE_FIRST_PASS = 3
"""Fewer can all be taken while the statistics of batch norm are still those of the beginning."""

LEVEL_SHARE = 1 / 3
"""Of the validations: the beginning and the end of what is compared."""

FIRST_POINTS = 2
"""Of the training loss, whose mean is the loss of a model that knows nothing yet."""

NOISE_SCORE = 4.0
"""A gap beyond four times the noise of one value of it is no accident."""

SMALLEST_TRAIN_FALL = 0.25
"""As a logarithm: a training loss that has fallen by less has led nowhere that validation could have followed to."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Two losses that are apart, from the first validation on; levels are geometric means, falls are logarithms.

    Args:
        train_tag, val_tag: which.
        first_gap, end_gap, smallest_gap: logarithm of validation over training loss at the beginning, at the end, and
            at its smallest. noise: of one value of it.
        train_fall, val_fall: from the first validations to the last, of the first pass where it has enough.
        untrained: the training loss at the very start. val_least: the smallest median of three validations.
        train_first, val_first, val_end: levels.
        in_first_pass: validations before any example came twice; None where that is not known.
        passes_signal: the tag that says so.
        first_step, last_step: of the validations.
    """

    train_tag: str
    val_tag: str
    first_gap: float
    end_gap: float
    smallest_gap: float
    noise: float
    train_fall: float
    val_fall: float
    untrained: float
    val_least: float
    train_first: float
    val_first: float
    val_end: float
    in_first_pass: int | None
    passes_signal: str
    first_step: int
    last_step: int

    @property
    def known_to_be_new(self) -> bool:
        return self.in_first_pass is not None and self.in_first_pass >= VALIDATIONS_IN_THE_FIRST_PASS


class ValidationShift(Rule[Apart]):
    """Validation data differ from training data, or are measured in another way.

    What it finds
    -------------
    A validation loss far above the training loss from the first validation on, before any example came twice, that
    does not follow where the training loss goes. As an information, where the log does not say how often the data were
    gone through: a validation loss that was never below that of an untrained model.

    Why it matters
    --------------
    What is validated is not what is trained for. The choice of checkpoints, the end of the training and every
    comparison go by a number that says little of the task; or the model will meet data that it has never seen the like
    of. The usual reasons: inputs normalised in one place only, other preprocessing or tokens, labels in another order,
    another source, a split by time.

    How it is detected
    ------------------
    At each validation the loss is held against the mean of the training losses around it. While the training goes
    through its data for the first time the training loss is measured on examples that the model has not seen, just as
    the validation loss is; then the two agree, whatever the model, and nothing can have been learnt by heart. Found is
    a ratio of at least `smallest_ratio`, and beyond four times its noise, at the first validations, at the last ones
    and at all in between, while the training loss falls and the validation loss falls by less than `smallest_follow`
    of that (as logarithms). A warning needs three validations in the first pass: an epoch below 2 in the log, or
    examples that the hooks have not seen before. Without that knowledge the same is an information, and only where the
    validation loss was above `worse_than_untrained` times that of the first steps all along.

    False alarms
    ------------
    A loss on another scale (a sum instead of a mean, another number of negatives) is apart but follows, and is not
    reported. Validation on other data on purpose: name it as a suite of its own beside one of the same data, or accept
    the finding. Augmented examples never look the same, so that a later pass is taken for the first where no epochs
    were logged.

    What to try
    -----------
    Hold back a part of the training data and validate on it in the same code: if its loss agrees with that of training,
    the data differ; if not, the way of measuring does.

    Sources
    -------
    Quinonero-Candela et al. 2009, "Dataset shift in machine learning". Nakkiran et al. 2021, "The deep bootstrap
    framework": in the first pass the training loss is a test loss.
    """

    code = "GEN004"
    name = "validation-shift"
    summary = "Validation data differ from training data, or are measured in another way."
    reads = passes.READS
    thresholds = (
        Threshold(
            "smallest_ratio",
            1.5,
            "Of validation over training loss on examples that are new to the model in both. Chance and batch norm "
            "make less of a difference, and for longer than three validations none.",
            "ours: in the clean trainings of the exam it is 0.3 to 1.1",
        ),
        Threshold(
            "smallest_follow",
            0.5,
            "Of the fall of the training loss. What is measured on another scale falls by the same factor; half of it "
            "is no longer the same curve.",
            "convention",
        ),
        Threshold(
            "worse_than_untrained",
            1.1,
            "Times the training loss of the first steps: a tenth above what knowing nothing gives.",
            "as for diverging-loss",
        ),
    )
    absorbs = ("overfitting", "plateau", "overtraining", "underfitting")
    interventions = ("compare-splits", "normalise-inputs")

    def measure(self, view: RunView) -> Apart | NotEnough:
        train, val = view.train_loss, view.val_loss
        if not view.signals.supervised:
            return NotEnough()
        if train is None or val is None:
            missing = tuple(name for name, loss in (("train_loss", train), ("val_loss", val)) if loss is None)
            return NotEnough(missing, logging_lines.VALIDATION_LOSS)
        both = beside(train.curve, val.curve)
        if both is None:
            return NotEnough()
        if len(both) < MINIMUM_VALIDATIONS:
            return NotEnough((f"val_loss at {MINIMUM_VALIDATIONS} steps or more",), "validate more often")
        known = passes.passes_of(view)
        new = None if known is None else int(np.sum(both.step <= known.first_until))
        judged = slice(0, new) if new is not None and new >= MINIMUM_VALIDATIONS else slice(None)
        gap, log_train, log_val = both.gap, np.log(both.train[judged]), np.log(both.val[judged])
        edge = max(2, round(LEVEL_SHARE * min(len(log_val), len(gap))))
        first = slice(0, VALIDATIONS_IN_THE_FIRST_PASS)
        return Apart(
            train_tag=train.tag,
            val_tag=val.tag,
            first_gap=float(np.median(gap[first])),
            end_gap=float(np.median(gap[-edge:])),
            smallest_gap=float(running_median(gap, 3).min()),
            noise=noise_of(gap),
            train_fall=float(np.median(log_train[first]) - np.median(log_train[-edge:])),
            val_fall=float(np.median(log_val[first]) - np.median(log_val[-edge:])),
            untrained=float(np.mean(train.curve.value[:FIRST_POINTS])),
            val_least=float(running_median(both.val, 3).min()),
            train_first=float(np.exp(np.median(np.log(both.train[first])))),
            val_first=float(np.exp(np.median(np.log(both.val[first])))),
            val_end=float(np.exp(np.median(np.log(both.val[-edge:])))),
            in_first_pass=new,
            passes_signal="" if known is None else known.signal,
            first_step=int(both.step[0]),
            last_step=int(both.step[-1]),
        )

    def judge(self, measurement: Apart, limits: Mapping[str, float]) -> list[Finding]:
        apart = measurement
        least = float(np.log(limits["smallest_ratio"]))
        gaps = (apart.first_gap, apart.end_gap, apart.smallest_gap)
        follows = apart.val_fall >= limits["smallest_follow"] * apart.train_fall
        if min(gaps) < least or min(gaps[:2]) < NOISE_SCORE * apart.noise or apart.train_fall < SMALLEST_TRAIN_FALL:
            return []
        if follows:
            return []
        useless = apart.val_least >= limits["worse_than_untrained"] * apart.untrained
        if not apart.known_to_be_new:
            return [self._perhaps(apart, limits)] if useless and apart.in_first_pass is None else []
        return [
            self.finding(
                Severity.WARNING,
                0.9 if useless else 0.75,
                f"{apart.val_tag} is {np.exp(apart.first_gap):.2g} times {apart.train_tag} before any example came "
                f"twice, and does not follow it: {apart.val_first:.3g} at first, {apart.val_end:.3g} at the end",
                first_step=apart.first_step,
                last_step=apart.last_step,
                evidence=(
                    *_evidence(apart, limits),
                    Evidence(
                        f"{apart.in_first_pass} validations lie in the first pass over the data",
                        signal=apart.passes_signal,
                        value=float(apart.in_first_pass or 0),
                        threshold=float(VALIDATIONS_IN_THE_FIRST_PASS),
                    ),
                ),
            )
        ]

    def _perhaps(self, apart: Apart, limits: Mapping[str, float]) -> Finding:
        return self.finding(
            Severity.INFO,
            0.6,
            f"{apart.val_tag} was never below that of an untrained model ({apart.untrained:.3g}): measured on other "
            "data or in another way, or the training data were learnt by heart at once; logging the epoch would tell",
            first_step=apart.first_step,
            last_step=apart.last_step,
            evidence=(
                *_evidence(apart, limits),
                Evidence(
                    f"its lowest level is {apart.val_least:.4g}; {apart.train_tag} began at {apart.untrained:.4g}",
                    signal=apart.val_tag,
                    value=apart.val_least,
                    threshold=limits["worse_than_untrained"] * apart.untrained,
                ),
            ),
        )


def _evidence(apart: Apart, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    return (
        Evidence(
            f"{apart.val_tag} is {np.exp(apart.first_gap):.3g} times {apart.train_tag} at the first validations, "
            f"{np.exp(apart.end_gap):.3g} times at the last, never less than {np.exp(apart.smallest_gap):.3g} times",
            signal=apart.val_tag,
            value=float(np.exp(apart.smallest_gap)),
            threshold=limits["smallest_ratio"],
            step=apart.first_step,
        ),
        Evidence(
            f"{apart.train_tag} changed by {np.expm1(-apart.train_fall):+.0%} since, {apart.val_tag} by "
            f"{np.expm1(-apart.val_fall):+.0%}",
            signal=apart.train_tag,
            value=apart.val_fall,
            threshold=limits["smallest_follow"] * apart.train_fall,
        ),
    )
