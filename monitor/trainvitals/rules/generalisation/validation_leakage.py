"""GEN003: validation examples seem to be known to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules.generalisation.beside import Beside, beside, both_losses, noise_of, rates_beside
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_VALIDATIONS = 10
SIDE = 4
"""Validations on each side of a drop: their medians bear one outlier."""

RATE_CHANGE = 1.3
"""Between two validations. A step of the schedule moves both losses, each in its own way."""

TRAIN_SHARE = 0.25
"""Of the drop of the validation loss. A training loss that drops by more has a part in what happened."""

SUDDEN_SHARE = 0.7
"""Of the whole drop within one interval, and kept until the end."""

STILL_SHARE = 0.25
"""Of the drop: by how much the gap may move on either side of it. What moves by more is a trend."""

STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class Drop:
    """The largest drop of the validation loss against the training loss from one validation to the next.

    Args:
        step: of the first validation after it; before_step: of the last before it.
        gap_before, gap_after: logarithm of validation over training loss, medians of the validations on each side.
        fall: of the validation loss alone. train_fall: of the training loss alone. kept: of the gap, until the end.
        drift: by how much the gap moves on either side, the larger. noise: of one value of the gap.
        rate_changed: the learning rate jumped there.
    """

    step: int
    before_step: int
    gap_before: float
    gap_after: float
    fall: float
    train_fall: float
    kept: float
    drift: float
    noise: float
    rate_changed: bool

    @property
    def size(self) -> float:
        return self.gap_before - self.gap_after


@dataclass(frozen=True, slots=True)
class Leak:
    """What speaks for validation examples that the model knows.

    Args:
        train_tag, val_tag: which losses.
        drop: the largest sudden one; None where there are too few validations on either side of all.
        late_gap: logarithm of validation over training loss in the second half, the larger of that of means and of
            medians. late_error: standard error of the mean.
        plain: neither dropout nor batch norm is there to make the training loss the larger one; None if not known.
        late_step, last_step: of the second half.
    """

    train_tag: str
    val_tag: str
    drop: Drop | None
    late_gap: float
    late_error: float
    plain: bool | None
    late_step: int
    last_step: int


class ValidationLeakage(Rule[Leak]):
    """Validation examples seem to be known to the model.

    What it finds
    -------------
    A validation loss that drops from one validation to the next, to well below the training loss, while the training
    loss goes on as before. As an information: a validation loss that is well below the training loss throughout the
    second half of a run whose model has neither dropout nor batch norm.

    Why it matters
    --------------
    Where validation examples are among the training data, the validation loss measures memory. It looks better than the
    model is, overfitting stays unseen, and no comparison with another run holds. Typical: a resumed run that splits
    anew at random, a new shard that holds the validation set, duplicates, windows of one time series on both sides.

    How it is detected
    ------------------
    At each validation the loss is held against the mean of the training losses around it. A drop needs all of: the gap
    falls by `smallest_drop` and by `smallest_score` times its noise between two neighbouring validations, hardly moves
    on either side, and stays down until the end; the training loss moves by less than a quarter of that; the
    validation loss ends below the training loss by `smallest_advantage`, which it was not before; and the logged
    learning rate makes no step there. It takes four validations on either side. The information needs the same
    advantage on average over the second half, and three standard errors.

    A set that leaks from the first step on, in a model that learns nothing by heart, looks like a healthy training
    whose validation agrees with it, and is not found.

    False alarms
    ------------
    Validation of averaged weights (EMA) that begins in the middle of a run; another validation set from there on: in
    both cases values before and after cannot be compared either. Augmentation, label smoothing and weighted losses make
    the training loss the larger one without any leak, and so does a small validation set that happens to be easy;
    therefore a level alone is no more than an information, and only where the hooks say how the model is built.

    What to try
    -----------
    Hash the examples of both sets and look for what is in both; split by source, person or time instead of at random;
    split once, and keep the split with the checkpoint.

    Sources
    -------
    Kaufman et al. 2012, "Leakage in data mining"; Kapoor and Narayanan 2023, "Leakage and the reproducibility crisis in
    machine-learning-based science". The test for a drop is ours.
    """

    code = "GEN003"
    name = "validation-leakage"
    summary = "Validation examples seem to be known to the model."
    reads = ("train_loss", "val_loss", "learning_rate", tags.EVAL_MODE, tags.MODEL_IN_EVAL_MODE)
    thresholds = (
        Threshold(
            "smallest_drop",
            1 / 3,
            "Of the validation loss, in one interval and against the training loss. Less may be a good moment.",
            "convention; a set that has been learnt by heart drops by more than half",
        ),
        Threshold(
            "smallest_score",
            6.0,
            "Over the noise of one value of the gap. Of all neighbours the largest drop is taken, which noise alone "
            "makes three to four times its size.",
            "as for spikes: six standard deviations (OLMo, stability monitor)",
        ),
        Threshold(
            "smallest_advantage",
            0.2,
            "Of the training loss by which the validation loss is smaller. Without a reason both are equal at best.",
            "ours: in the clean trainings of the exam without dropout and batch norm it is 0.08 at most",
        ),
    )
    interventions = ("deduplicate-splits", "compare-splits")

    def measure(self, view: RunView) -> Leak | NotEnough:
        losses = both_losses(view)
        if isinstance(losses, NotEnough):
            return losses
        train, val = losses
        both = beside(train.curve, val.curve)
        if both is None:
            return NotEnough()
        if len(both) < MINIMUM_VALIDATIONS:
            return NotEnough((f"val_loss at {MINIMUM_VALIDATIONS} steps or more",), "validate more often")
        late = both.gap[len(both) // 2 :]
        modes, built = view.recorded(tags.MODEL_IN_EVAL_MODE), view.recorded(tags.EVAL_MODE)
        return Leak(
            train_tag=train.tag,
            val_tag=val.tag,
            drop=_largest_drop(both, view, val.curve),
            late_gap=max(float(np.mean(late)), _gap_of_medians(train.curve, both, len(both) // 2)),
            late_error=float(np.std(late, ddof=1) / np.sqrt(len(late))),
            plain=None if modes is None else built is None,
            late_step=int(both.step[len(both) // 2]),
            last_step=int(both.step[-1]),
        )

    def judge(self, measurement: Leak, limits: Mapping[str, float]) -> list[Finding]:
        leak, drop = measurement, measurement.drop
        advantage = -float(np.log1p(-limits["smallest_advantage"]))
        if drop is not None and _is_sudden(drop, limits) and -drop.gap_after >= advantage > -drop.gap_before:
            return [self._dropped(leak, drop, limits)]
        below = -leak.late_gap >= advantage and -leak.late_gap >= STANDARD_ERRORS * leak.late_error
        if not (leak.plain and below):
            return []
        share = -np.expm1(leak.late_gap)
        return [
            self.finding(
                Severity.INFO,
                0.5,
                f"{leak.val_tag} is {share:.0%} below {leak.train_tag}, and the model has neither dropout nor batch "
                "norm: examples in both sets, an easier validation set, or augmentation of the training examples",
                first_step=leak.late_step,
                last_step=leak.last_step,
                evidence=(
                    Evidence(
                        f"it is {share:.0%} below {leak.train_tag} on average since step {leak.late_step:,}",
                        signal=leak.val_tag,
                        value=float(share),
                        threshold=limits["smallest_advantage"],
                        step=leak.late_step,
                    ),
                ),
            )
        ]

    def _dropped(self, leak: Leak, drop: Drop, limits: Mapping[str, float]) -> Finding:
        fell, below = -np.expm1(-drop.fall), -np.expm1(drop.gap_after)
        return self.finding(
            Severity.WARNING,
            0.85 if drop.size >= 2 * limits["smallest_score"] * drop.noise and fell >= 0.5 else 0.7,
            f"{leak.val_tag} drops by {fell:.0%} at step {drop.step:,}, to {below:.0%} below {leak.train_tag}, which "
            "goes on as before: the examples may be known, or the way of validating has changed",
            first_step=drop.before_step,
            begins_by=drop.step,
            last_step=leak.last_step,
            evidence=(
                Evidence(
                    f"{leak.val_tag} falls by {fell:.0%} between steps {drop.before_step:,} and {drop.step:,}, "
                    f"{drop.size / max(drop.noise, 1e-9):.3g} times the noise of its distance from {leak.train_tag}",
                    signal=leak.val_tag,
                    value=float(fell),
                    threshold=limits["smallest_drop"],
                    step=drop.step,
                ),
                Evidence(
                    f"{leak.train_tag} changes by {np.expm1(-drop.train_fall):+.0%} over the same steps",
                    signal=leak.train_tag,
                    value=drop.train_fall,
                    threshold=TRAIN_SHARE * drop.size,
                    step=drop.step,
                ),
                Evidence(
                    f"{leak.val_tag} is {below:.0%} below {leak.train_tag} since",
                    signal=leak.val_tag,
                    value=float(below),
                    threshold=limits["smallest_advantage"],
                ),
            ),
        )


def _gap_of_medians(train: Series, both: Beside, since: int) -> float:
    """The gap as single batches with a huge loss cannot make it."""
    value = np.asarray(train.value, np.float64)[-max(1, round(len(train) * (1.0 - since / len(both)))) :]
    return float(np.log(np.median(both.val[since:])) - np.log(np.median(value)))


def _is_sudden(drop: Drop, limits: Mapping[str, float]) -> bool:
    size = drop.size
    least = -float(np.log1p(-limits["smallest_drop"]))
    return (
        min(size, drop.fall) >= least
        and size >= limits["smallest_score"] * drop.noise
        and abs(drop.train_fall) <= TRAIN_SHARE * size
        and drop.kept >= SUDDEN_SHARE * size
        and drop.drift <= STILL_SHARE * size
        and not drop.rate_changed
    )


def _largest_drop(both: Beside, view: RunView, val: Series) -> Drop | None:
    gap = both.gap
    if len(gap) < 2 * SIDE:
        return None
    windows = np.median(np.lib.stride_tricks.sliding_window_view(gap, SIDE), axis=1)
    at = int(np.argmax(windows[:-SIDE] - windows[SIDE:])) + SIDE
    before, after = slice(at - SIDE, at), slice(at, at + SIDE)
    log_val, log_train = np.log(both.val), np.log(both.train)
    noise = noise_of(gap)
    return Drop(
        step=int(both.step[at]),
        before_step=int(both.step[at - 1]),
        gap_before=float(windows[at - SIDE]),
        gap_after=float(windows[at]),
        fall=float(np.median(log_val[before]) - np.median(log_val[after])),
        train_fall=float(np.mean(log_train[at - 2 : at]) - np.mean(log_train[at : at + 2])),
        kept=float(windows[at - SIDE] - np.max(windows[at:])),
        drift=max(_drift(gap[before]), _drift(gap[after])),
        noise=noise,
        rate_changed=_rate_changed(view, val, int(both.step[at - 2]), int(both.step[min(at + 1, len(both) - 1)])),
    )


def _drift(gap: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """How far a gap goes from the first two of its values to the last two."""
    return abs(float(np.mean(gap[:2]) - np.mean(gap[-2:])))


def _rate_changed(view: RunView, val: Series, first_step: int, last_step: int) -> bool:
    rate = rates_beside(view, val)
    if rate is None:
        return False
    between = rate[(val.step >= first_step) & (val.step <= last_step)]
    return float(between.max()) > RATE_CHANGE * float(between.min())
