"""GEN004: validation data differ from training data, or are measured in another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.maths.robust import running_median
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.generalisation import passes
from trainvitals.rules.generalisation.beside import beside, both_losses, noise_of
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


VISIBLE_GAIN = 0.1
"""Of the first validation loss. Whoever learns something of the validated task gains more than that at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """Two losses that are apart until the end; levels are medians, falls are differences of logarithms.

    Args:
        train_tag, val_tag: which.
        gap: logarithm of validation over training loss ``[V]``, median of three. noise: of one value of it.
        step: ``[V]`` of the validations.
        train_fall, val_fall: from the first validations to the last, of the first pass where it has enough.
        untrained: the training loss at the very start. val_least: the smallest median of three validations.
        val_first, val_end: levels.
        in_first_pass: validations before any example came twice; None where that is not known.
        passes_signal: the tag that says so.
    """

    train_tag: str
    val_tag: str
    gap: NDArray[np.float64]
    noise: float
    step: NDArray[np.int64]
    train_fall: float
    val_fall: float
    untrained: float
    val_least: float
    val_first: float
    val_end: float
    in_first_pass: int | None
    passes_signal: str

    def since(self, ratio: float) -> int | None:
        """The first validation from which on the two are apart by this much until the end; None where they are not."""
        close = np.flatnonzero(self.gap < max(np.log(ratio), NOISE_SCORE * self.noise))
        begins = 0 if not len(close) else int(close[-1]) + 1
        return begins if begins <= len(self.gap) - VALIDATIONS_IN_THE_FIRST_PASS else None

    @property
    def won_nothing(self) -> bool:
        """Whether the validation loss never got visibly below its first level."""
        return self.val_least >= (1.0 - VISIBLE_GAIN) * self.val_first


class ValidationShift(Rule[Apart]):
    """Validation data differ from training data, or are measured in another way.

    What it finds
    -------------
    A validation loss that is far above the training loss before any example came twice, stays there, and does not
    follow where the training loss goes. As an information, where the log does not say how often the data were
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
    a ratio of at least `smallest_ratio`, and beyond four times its noise, from the first validation to the last, while
    the training loss falls and the validation loss falls by less than `smallest_follow` of that (as logarithms); or
    such a ratio from some later validation on, where the validation loss never won a tenth of its first level. A
    warning needs three such validations in the first pass, as the logged epoch has it, or examples that the hooks have
    not seen before. Without that knowledge a ratio from the first validation on is an information, and only where the
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
    absorbs = ("overfitting", "plateau")
    interventions = ("compare-splits", "normalise-inputs")

    def measure(self, view: RunView) -> Apart | NotEnough:
        losses = both_losses(view)
        if isinstance(losses, NotEnough):
            return losses
        train, val = losses
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
            gap=running_median(gap, 3),
            noise=noise_of(gap),
            step=both.step,
            train_fall=float(np.median(log_train[first]) - np.median(log_train[-edge:])),
            val_fall=float(np.median(log_val[first]) - np.median(log_val[-edge:])),
            untrained=float(np.mean(train.curve.value[:FIRST_POINTS])),
            val_least=float(running_median(both.val, 3).min()),
            val_first=float(np.exp(np.median(np.log(both.val[first])))),
            val_end=float(np.exp(np.median(np.log(both.val[-edge:])))),
            in_first_pass=new,
            passes_signal="" if known is None else known.signal,
        )

    def judge(self, measurement: Apart, limits: Mapping[str, float]) -> list[Finding]:
        apart = measurement
        since = apart.since(limits["smallest_ratio"])
        if since is None or apart.train_fall < SMALLEST_TRAIN_FALL:
            return []
        follows = apart.val_fall >= limits["smallest_follow"] * apart.train_fall
        if follows or (since > 0 and not apart.won_nothing):
            return []
        useless = apart.val_least >= limits["worse_than_untrained"] * apart.untrained
        if apart.in_first_pass is None:
            return [self._perhaps(apart, limits)] if useless and since == 0 else []
        if apart.in_first_pass - since < VALIDATIONS_IN_THE_FIRST_PASS:
            return []
        return [
            self.finding(
                Severity.WARNING,
                0.9 if useless else 0.75,
                f"{apart.val_tag} is {np.exp(apart.gap[since]):.2g} times {apart.train_tag} before any example came "
                f"twice, and does not follow it: {apart.val_first:.3g} at first, {apart.val_end:.3g} at the end",
                first_step=int(apart.step[since]),
                last_step=int(apart.step[-1]),
                evidence=(
                    *_evidence(apart, since, limits),
                    Evidence(
                        f"{apart.in_first_pass - since} of these validations lie in the first pass over the data",
                        signal=apart.passes_signal,
                        value=float(apart.in_first_pass - since),
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
            first_step=int(apart.step[0]),
            last_step=int(apart.step[-1]),
            evidence=(
                *_evidence(apart, 0, limits),
                Evidence(
                    f"its lowest level is {apart.val_least:.4g}; {apart.train_tag} began at {apart.untrained:.4g}",
                    signal=apart.val_tag,
                    value=apart.val_least,
                    threshold=limits["worse_than_untrained"] * apart.untrained,
                ),
            ),
        )


def _evidence(apart: Apart, since: int, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    step, least = int(apart.step[since]), float(np.exp(apart.gap[since:].min()))
    return (
        Evidence(
            f"{apart.val_tag} is {np.exp(apart.gap[since]):.3g} times {apart.train_tag} at step {step:,}, "
            f"{np.exp(apart.gap[-1]):.3g} times at the end, never less than {least:.3g} times in between",
            signal=apart.val_tag,
            value=least,
            threshold=limits["smallest_ratio"],
            step=step,
        ),
        Evidence(
            f"{apart.train_tag} changed by {np.expm1(-apart.train_fall):+.0%} from the first validations on, while the "
            f"data were new, {apart.val_tag} by {np.expm1(-apart.val_fall):+.0%}",
            signal=apart.train_tag,
            value=apart.val_fall,
            threshold=limits["smallest_follow"] * apart.train_fall,
        ),
    )
