"""GEN005: training goes on getting better while validation has long stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.best_loss import best_of
from trainvitals.model import Evidence, Finding, Reason, Severity, Verdict
from trainvitals.rules.alignment import positions
from trainvitals.rules.generalisation.beside import both_losses
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.sizes import setting
from trainvitals.view import LossCurve, RunView

STILL_IMPROVING = (Verdict.PROGRESSING, Verdict.SLOW)
FEWEST_TRAIN_POINTS = 10
EDGE_SHARE = 0.1
"""Of the training losses since: the first and the last of them are what it fell from and to."""

STANDARD_ERRORS = 3.0
TOKENS_PER_PARAMETER = 20.0
"""Where a given amount of computation trains a language model best (Hoffmann et al. 2022)."""

PROVED, LIKELY = 0.8, 0.65


@dataclass(frozen=True, slots=True)
class Beyond:
    """What training did since validation stopped.

    Args:
        train_tag, val_tag: which losses.
        since_step: when validation stopped; share: of the run since. proved: a plateau was certified, not only seen.
        best_step, best: where the validation loss was best.
        val_first, val_now: its level just after that and at the end.
        before, now: training losses just after that and at the end; error: standard error of their difference.
        multiple: tokens trained on over what its size asks for; None where either was not logged.
        last_step: of the validation.
    """

    train_tag: str
    val_tag: str
    since_step: int
    share: float
    proved: bool
    best_step: int
    best: float
    val_first: float
    val_now: float
    before: float
    now: float
    error: float
    multiple: float | None
    last_step: int

    @property
    def fall(self) -> float:
        """Share of the training loss that went since."""
        return 1.0 - self.now / self.before

    @property
    def rise(self) -> float:
        """Share by which the validation loss is higher than it was."""
        return (self.val_now - self.val_first) / abs(self.val_first) if self.val_first else 0.0


class Overtraining(Rule[Beyond | None]):
    """Training goes on getting better while validation has long stopped.

    What it finds
    -------------
    As an information: a validation loss that has gained nothing for a third of the run or more, and has not risen,
    while the training loss went on falling.

    Why it matters
    --------------
    What is learnt since then holds for the training examples only. The steps are wasted, the model becomes harder to
    fine-tune, and overfitting is often next.

    How it is detected
    ------------------
    The validation loss has a proved plateau, or has won no new ground, since some step (as `plateau` has it), with at
    least `smallest_share` of the run after that; the training loss still improves, and has fallen since by
    `smallest_fall` and by three standard errors. A plateau that the learning rate explains does not count. A validation
    loss that has risen by `largest_rise` since is `overfitting`.

    For language models the tokens trained on, over twenty for each parameter, are told where both were logged. Training
    beyond that is usual and often wanted, because a smaller model is cheaper to use; it is no finding by itself.

    False alarms
    ------------
    Where accuracy on validation data still gets better while the loss does not, and where late generalisation is hoped
    for (grokking, double descent). A validation set that is so small or noisy that a gain does not show.

    What to try
    -----------
    Stop, and keep the best checkpoint; more or more varied data; more regularisation.

    Sources
    -------
    Prechelt 1998, "Early stopping - but when?". Hoffmann et al. 2022 (tokens for each parameter). Springer et al. 2025,
    "Overtrained language models are harder to fine-tune".
    """

    code = "GEN005"
    name = "overtraining"
    summary = "Training goes on getting better while validation has long stopped."
    reads = ("train_loss", "val_loss", "learning_rate", "tokens")
    thresholds = (
        Threshold(
            "smallest_share",
            1 / 3,
            "Of the run. Validation may rest for a while; a third of the steps is worth saving.",
            "as for the ground that plateau asks for",
        ),
        Threshold(
            "smallest_fall",
            0.1,
            "Of the training loss. Where it hardly fell either, both have stopped.",
            "convention",
        ),
        Threshold(
            "largest_rise",
            0.05,
            "Of the validation loss since it stopped. What has risen by more overfits.",
            "the rise that counts as overfitting (Prechelt 1998)",
        ),
    )
    absorbs = ("plateau",)
    interventions = ("stop-and-keep-best", "early-stopping", "more-data", "more-regularisation")

    def measure(self, view: RunView) -> Beyond | NotEnough | None:
        losses = both_losses(view)
        if isinstance(losses, NotEnough):
            return losses
        train, val = losses
        multiple, assessment = _multiple(view), view.assess(val)
        if assessment.reason is Reason.TOO_FEW_POINTS or view.assess(train).verdict not in STILL_IMPROVING:
            return None
        proved = assessment.verdict is Verdict.PLATEAU and not assessment.held
        ground = assessment.no_new_ground
        if assessment.verdict in STILL_IMPROVING or assessment.learning_rate_explains:
            return None
        since = assessment.since_step if proved else None if ground is None or ground.recovering else ground.since_step
        return None if since is None else _beyond(train, val, since, multiple, proved=proved)

    def judge(self, measurement: Beyond | None, limits: Mapping[str, float]) -> list[Finding]:
        if measurement is None or measurement.share < limits["smallest_share"]:
            return []
        beyond = measurement
        if beyond.rise >= limits["largest_rise"] or beyond.fall < limits["smallest_fall"]:
            return []
        if beyond.before - beyond.now < STANDARD_ERRORS * beyond.error:
            return []
        return [
            self.finding(
                Severity.INFO,
                PROVED if beyond.proved else LIKELY,
                f"{beyond.val_tag} has won nothing since step {beyond.since_step:,}, {beyond.share:.0%} of the run, "
                f"while {beyond.train_tag} fell from {beyond.before:.3g} to {beyond.now:.3g}; the best was "
                f"{beyond.best:.4g} at step {beyond.best_step:,}",
                first_step=beyond.since_step,
                last_step=beyond.last_step,
                evidence=tuple(_evidence(beyond, limits)),
            )
        ]


def _evidence(beyond: Beyond, limits: Mapping[str, float]) -> list[Evidence]:
    items = [
        Evidence(
            f"{beyond.val_tag} went from {beyond.val_first:.4g} to {beyond.val_now:.4g} since step "
            f"{beyond.since_step:,}, {beyond.share:.0%} of the run",
            signal=beyond.val_tag,
            value=beyond.share,
            threshold=limits["smallest_share"],
            step=beyond.since_step,
        ),
        Evidence(
            f"{beyond.train_tag} has fallen by {beyond.fall:.0%} since",
            signal=beyond.train_tag,
            value=beyond.fall,
            threshold=limits["smallest_fall"],
        ),
    ]
    if beyond.multiple is not None:
        text = f"{beyond.multiple:.2g} times the tokens that a language model of this size is best trained on"
        items.append(Evidence(text, value=beyond.multiple, threshold=1.0))
    return items


def _beyond(train: LossCurve, val: LossCurve, since: int, multiple: float | None, *, proved: bool) -> Beyond | None:
    val_at, train_at = positions(val.curve, train.curve)
    began = float(val_at[np.searchsorted(val.curve.step, since)])
    value = np.asarray(train.curve.value, np.float64)[train_at >= began]
    if len(value) < FEWEST_TRAIN_POINTS or float(value.min()) < 0:
        return None
    points = max(3, round(EDGE_SHARE * len(value)))
    first, last = value[:points], value[-points:]
    best = best_of(val)
    assert best is not None
    stood = np.asarray(val.curve.value, np.float64)[val.curve.step >= since]
    third = max(1, len(stood) // 3)
    return Beyond(
        train_tag=train.tag,
        val_tag=val.tag,
        since_step=since,
        share=float((val_at[-1] - began) / (val_at[-1] - val_at[0])),
        proved=proved,
        best_step=best.step,
        best=best.value,
        val_first=float(np.median(stood[:third])),
        val_now=float(np.median(stood[-third:])),
        before=max(float(np.mean(first)), float(np.finfo(np.float64).tiny)),
        now=float(np.mean(last)),
        error=float(np.sqrt((np.var(first, ddof=1) + np.var(last, ddof=1)) / points)),
        multiple=multiple,
        last_step=int(val.curve.step[-1]),
    )


def _multiple(view: RunView) -> float | None:
    tokens = view.series(view.signals.tokens[0]).finite() if view.signals.tokens else None
    parameters = setting(view.run, "parameters")
    if parameters is None or parameters <= 0 or tokens is None or not len(tokens):
        return None
    return float(tokens.value.max()) / (TOKENS_PER_PARAMETER * parameters)
