"""GEN002: the model fits its training data no better than data that it has not seen, and stands still far from zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Reason, Severity, Verdict
from trainvitals.progress import Assessment
from trainvitals.rules import logging_lines
from trainvitals.rules.generalisation import passes
from trainvitals.rules.generalisation.beside import Beside, beside, both_losses
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_VALIDATIONS = 8
LATE_SHARE = 0.5
START_SHARE = 0.02
"""Of the points of the training loss: what the first level is the mean of."""

STANDARD_ERRORS = 2.0
NOTED, SURER = 0.6, 0.75
MANY_PASSES = 3.0
"""Times the limit: then the training data have been seen so often that a model with room would know them by heart."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well the training data are fitted.

    Args:
        train_tag, val_tag: which losses.
        level: the training loss of the second half; start: of the very beginning.
        gap: validation over training loss of the second half, less one; gap_error: standard error of it.
        gain_ahead: what either loss is expected to gain over the next quarter of the steps, as a share of its level.
        passes: over the training data; passes_signal: the tag that says so.
        late_step: where the second half begins. first_step: the same, or since when a loss is flat if that is earlier.
        last_step: of the validations.
    """

    train_tag: str
    val_tag: str
    level: float
    start: float
    gap: float
    gap_error: float
    gain_ahead: float
    passes: float
    passes_signal: str
    late_step: int
    first_step: int
    last_step: int

    @property
    def left(self) -> float:
        """Share of the first level that is left."""
        return self.level / self.start


class Underfitting(Rule[Fit]):
    """The model fits its training data no better than data that it has not seen, and stands still far from zero.

    What it finds
    -------------
    As an information: training and validation loss that agree and have (nearly) stopped far above zero, although the
    training data were gone through many times. The model has no room, or is not allowed, to fit them better; or what is
    left is the noise of the task.

    Why it matters
    --------------
    More data and more regularisation, the usual remedies, make this worse or change nothing. A larger model, better
    inputs, less regularisation or a better rate may help.

    How it is detected
    ------------------
    The data must have been gone through `fewest_passes` times: by the logged epoch, by the rows of a log that has one
    for each epoch, or by the share of examples that the hooks have seen before. In the first passes both losses agree
    whatever the model, and nothing can be said. Then, over the second half of the validations: the validation loss is
    above the training loss by no more than `largest_gap` and twice its standard error; `smallest_left` of the first
    training loss is left; and both forecasts say that the next quarter of the steps gains at most `largest_gain`.

    Whether the model is too small or the task is noisy cannot be told from a log. Doubling the width for a fifth of the
    run decides: only a limit of the model gives way.

    False alarms
    ------------
    A task with much noise and far more examples than parameters looks the same, and is fine. Dropout and strong
    augmentation keep the training loss up on purpose. Data that are augmented never look the same twice, so that the
    hooks count too few passes; then the rule is silent. Rates that are too low and faults of the wiring give the same
    picture and have names of their own, which take this one in.

    What to try
    -----------
    Overfit one batch first: if that fails, the fault is not the size. Then twice the width for a fifth of the run; a
    third of the weight decay; better inputs.

    Sources
    -------
    Goodfellow et al. 2016, "Deep learning", section 5.2. Muennighoff et al. 2023, "Scaling data-constrained language
    models": four passes are nearly as good as new data, so that no gap is due by then.
    """

    code = "GEN002"
    name = "underfitting"
    summary = "The model fits its training data no better than unseen data, and stands still far from zero."
    reads = ("learning_rate", *passes.READS)
    thresholds = (
        Threshold(
            "fewest_passes",
            8.0,
            "Twice as many as are nearly as good as new data: a model with room begins to know them by then.",
            "Muennighoff et al. 2023: up to four epochs are nearly as good as new data",
        ),
        Threshold(
            "largest_gap",
            0.05,
            "Of the training loss. A model that knows its examples is further apart from those it does not know.",
            "the rise that counts as overfitting (Prechelt 1998)",
        ),
        Threshold(
            "smallest_left",
            0.3,
            "Of the first training loss. What has learnt more than two thirds of it is not short of room.",
            "convention",
        ),
        Threshold(
            "largest_gain",
            0.02,
            "Of the level, over the next quarter of the steps: at this pace the run would need many times as long.",
            "ten times the gain that counts as progress at all",
        ),
    )
    absorbs = ("plateau",)
    interventions = ("overfit-one-batch", "larger-model", "lower-weight-decay")

    def measure(self, view: RunView) -> Fit | NotEnough:
        losses = both_losses(view)
        if isinstance(losses, NotEnough):
            return losses
        train, val = losses
        both, known = beside(train.curve, val.curve), passes.passes_of(view)
        if both is None:
            return NotEnough()
        if len(both) < MINIMUM_VALIDATIONS:
            return NotEnough((f"val_loss at {MINIMUM_VALIDATIONS} steps or more",), "validate more often")
        if known is None:
            return NotEnough(("epoch",), logging_lines.EPOCH)
        assessments = [view.assess(loss) for loss in (train, val)]
        if any(each.reason is Reason.TOO_FEW_POINTS for each in assessments):
            return NotEnough()
        late = both.gap[round(LATE_SHARE * len(both)) :]
        value = np.asarray(train.curve.value, np.float64)
        return Fit(
            train_tag=train.tag,
            val_tag=val.tag,
            level=_late_level(both),
            start=float(np.mean(value[: max(3, round(START_SHARE * len(value)))])),
            gap=float(np.expm1(np.mean(late))),
            gap_error=float(np.std(late, ddof=1) / np.sqrt(len(late))),
            gain_ahead=max(_gain_ahead(each) for each in assessments),
            passes=known.total,
            passes_signal=known.signal,
            late_step=int(both.step[round(LATE_SHARE * len(both))]),
            first_step=min(int(both.step[round(LATE_SHARE * len(both))]), *map(_flat_since, assessments)),
            last_step=int(both.step[-1]),
        )

    def judge(self, measurement: Fit, limits: Mapping[str, float]) -> list[Finding]:
        fit = measurement
        agrees = fit.gap <= limits["largest_gap"] + STANDARD_ERRORS * fit.gap_error
        short = fit.left >= limits["smallest_left"] and fit.gain_ahead <= limits["largest_gain"]
        if fit.passes < limits["fewest_passes"] or not agrees or not short:
            return []
        return [
            self.finding(
                Severity.INFO,
                SURER if fit.passes >= MANY_PASSES * limits["fewest_passes"] else NOTED,
                f"{fit.train_tag} stands at {fit.level:.3g}, {fit.left:.0%} of its beginning, and {fit.val_tag} is no "
                f"higher after {fit.passes:.0f} passes over the data: the model cannot fit more, or the rest is noise; "
                "twice the width would tell",
                first_step=fit.first_step,
                last_step=fit.last_step,
                evidence=tuple(_evidence(fit, limits)),
            )
        ]


def _evidence(fit: Fit, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    return (
        Evidence(
            f"{fit.left:.0%} of the first training loss of {fit.start:.4g} is left",
            signal=fit.train_tag,
            value=fit.left,
            threshold=limits["smallest_left"],
        ),
        Evidence(
            f"{fit.val_tag} is {fit.gap:+.1%} from {fit.train_tag} since step {fit.late_step:,}",
            signal=fit.val_tag,
            value=fit.gap,
            threshold=limits["largest_gap"],
            step=fit.late_step,
        ),
        Evidence(
            f"about {fit.passes:.0f} passes over the training data",
            signal=fit.passes_signal,
            value=fit.passes,
            threshold=limits["fewest_passes"],
        ),
        Evidence(
            f"the next quarter of the steps should gain {fit.gain_ahead:.1%} of the level",
            value=fit.gain_ahead,
            threshold=limits["largest_gain"],
        ),
    )


def _late_level(both: Beside) -> float:
    return float(np.exp(np.mean(np.log(both.train[round(LATE_SHARE * len(both)) :]))))


def _flat_since(assessment: Assessment) -> int:
    """Since when a loss is flat, as `plateau` has it; the last step where it is not."""
    flat = assessment.since_step if assessment.verdict is Verdict.PLATEAU else None
    if flat is None and assessment.no_new_ground is not None:
        flat = assessment.no_new_ground.since_step
    return (assessment.last_step or 0) if flat is None else flat


def _gain_ahead(assessment: Assessment) -> float:
    """The expected gain of a loss, as a share of its level."""
    if assessment.gain is None or not assessment.level:
        return float("inf")
    return assessment.gain / abs(assessment.level)
