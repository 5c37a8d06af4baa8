"""LRS001: the learning rate is so high that updates destroy more than they build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.learning_rate.early_overshoot import (
    BLOW_UP_FACTOR,
    FASTEST_RATIO,
    LARGEST_GROWTH,
    OVERWHELMING_GROWTH,
    READS,
    EarlyOvershoot,
    early_overshoot,
    fallen_back,
)
from trainvitals.rules.learning_rate.rate_jumps import (
    FEWEST_RATES,
    SMALLEST_JUMP,
    SMALLEST_RISE,
    RateJump,
    rate_jumps,
)
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

USUAL_RATIO = 0.03
"""A median matrix that never moves by more in a step is not thrown about (CS231n: 1e-3; healthy starts: up to 0.06)."""

CERTAIN_FACTOR = 10.0


@dataclass(frozen=True, slots=True)
class Overshoot:
    """Jumps of the rate, the largest first, and the first tenth of the run; each empty where it was not logged."""

    jumps: tuple[RateJump, ...]
    early: EarlyOvershoot | None
    last_step: int | None


class LearningRateTooHigh(Rule[Overshoot]):
    """The learning rate is so high that updates destroy more than they build.

    What it finds
    -------------
    A run whose first updates remake the weights, and whose loss blows up in the first steps, never gets below where it
    was, or becomes NaN. And a learning rate that is raised in one go to a height that it never had, at which the loss
    jumps up and stays there.

    Why it matters
    --------------
    An update that is too long lands beyond the valley it aims for. What was learnt, or the initialisation, is
    lost within a few steps, units die or saturate, and a lower rate later on cannot bring them back.

    How it is detected
    ------------------
    From the start: the update ratio of the median weight matrix (norm of the update over that of the weights) reaches
    `fastest_ratio` in the first tenth of the run, and the norm of the median matrix grows by `largest_growth` there; or
    it grows by `overwhelming_growth`, as under a warm-up, which keeps the ratio at 0.03 or more but below that. That
    alone is no finding. The loss must have been harmed: its running median rises above its first value by
    `blow_up_factor` and six standard deviations of its noise; or it ends as far (and four of them) above the lowest
    median of nine values in the first tenth; or it gains less than `smallest_gain` from the first twentieth of the run
    to the last, and from the second as well; or it ends in NaN. Attention that collapses in the first tenth of the run,
    as `attention-collapse` has it, is harm too.

    Later: the logged rate grows by `smallest_jump` between two records to one and a half times its height so far, and
    nine in ten values of the loss since lie above nine in ten just before, at `smallest_rise` times the level or more,
    until the end or for the next tenth of the run; or it becomes NaN. This needs no more than the rate and the loss.

    False alarms
    ------------
    Warm restarts and warm-ups are no jumps to a new height that harm lastingly. Large updates that the loss thrives on
    are not reported. Biases, gains and embeddings, whose ratios are of another size, are left out by their names.
    A wrong initialisation with tiny weights also gives large ratios; then the loss does not blow up. Where a
    transformer only lacks its warm-up, `missing-warmup` says so instead.

    What to try
    -----------
    A third of the rate, or the one that this run bore before; where it was raised, back to the checkpoint before. A
    shorter memory of Adam; clip the gradient; warm up.

    Sources
    -------
    Bengio 2012, section 3.1; Karpathy, CS231n notes (ratio of updates to weights); Zhang et al. 2021 (AUTOTRAINER)
    for the order of the remedies. That norms must grow and the loss be harmed is ours.
    """

    code = "LRS001"
    name = "learning-rate-too-high"
    summary = "The learning rate is so high that updates destroy more than they build."
    reads = READS
    thresholds = (
        FASTEST_RATIO,
        LARGEST_GROWTH,
        OVERWHELMING_GROWTH,
        BLOW_UP_FACTOR,
        Threshold(
            "smallest_gain",
            0.05,
            "Share of its level. A run that has remade its weights and gained less has nothing to show for it.",
            "convention",
        ),
        SMALLEST_JUMP,
        SMALLEST_RISE,
    )
    absorbs = (
        "diverging-loss",
        "non-finite-loss",
        "non-finite-gradients",
        "loss-spikes",
        "oscillating-loss",
        "plateau",
        "not-learning",
        "overfitting",
        "exploding-gradients",
        "vanishing-gradients",
        "dead-units",
        "saturated-activations",
        "activation-growth",
        "representation-collapse",
        "attention-collapse",
        "attention-logit-growth",
        "output-logit-drift",
        "updates-too-large",
        "poor-initialisation",
    )
    interventions = ("lower-learning-rate", "lower-adam-beta2", "clip-gradients", "longer-warmup", "restore-checkpoint")

    def measure(self, view: RunView) -> Overshoot | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        early = early_overshoot(view)
        rate = view.learning_rate
        if early is None and (rate is None or len(rate) < FEWEST_RATES):
            return NotEnough(("learning_rate",), logging_lines.LEARNING_RATE)
        return Overshoot(tuple(rate_jumps(view)), early, view.run.last_step)

    def judge(self, measurement: Overshoot, limits: Mapping[str, float]) -> list[Finding]:
        early = measurement.early
        if early is not None and early.remade(limits) and not early.for_want_of_warm_up(limits):
            harm = _harm(early, limits)
            if harm is not None:
                return [self._from_the_start(early, harm, measurement.last_step, limits)]
        for jump in measurement.jumps:
            if jump.harmed(limits):
                return [self._jumped(jump, measurement.last_step, limits)]
        return []

    def rule_out(self, measurement: Overshoot, limits: Mapping[str, float]) -> Evidence | None:  # noqa: ARG002
        early = measurement.early
        if early is None or early.ratio >= USUAL_RATIO:
            return None
        return Evidence(
            f"the first updates moved the median weight matrix by at most {early.ratio:.2g} of its size a step",
            signal=early.ratio_tag,
            value=early.ratio,
            threshold=USUAL_RATIO,
            step=early.ratio_step,
        )

    def _from_the_start(
        self, early: EarlyOvershoot, harm: Evidence, last_step: int | None, limits: Mapping[str, float]
    ) -> Finding:
        loss = early.outcome
        lost = loss is not None and loss.lost
        return self.finding(
            Severity.ERROR if lost else Severity.WARNING,
            0.95 if early.ratio >= CERTAIN_FACTOR * limits["fastest_ratio"] or early.blew_up(limits) else 0.85,
            f"the first updates remake the weights, by {early.ratio:.2g} of their size in one step, and {harm.text}",
            first_step=early.first_step,
            last_step=last_step,
            evidence=(*_evidence(early, limits), harm),
        )

    def _jumped(self, jump: RateJump, last_step: int | None, limits: Mapping[str, float]) -> Finding:
        factor, loss = jump.factor, jump.loss
        ruined = loss.lost or loss.end >= 2 * loss.before > 0
        return self.finding(
            Severity.ERROR if ruined else Severity.WARNING,
            0.95 if ruined and factor >= CERTAIN_FACTOR else 0.85,
            f"the learning rate jumps to {factor:.3g} times its value, and {loss.tag} {jump.harm_in_words}",
            first_step=jump.from_step + 1,
            last_step=last_step,
            begins_by=max(jump.to_step, jump.from_step + 1),
            evidence=tuple(jump.evidence(limits)),
            to_try=("restore-checkpoint", "lower-learning-rate", "longer-warmup"),
        )


def _harm(early: EarlyOvershoot, limits: Mapping[str, float]) -> Evidence | None:
    loss = early.outcome
    if loss is None:
        return None
    if loss.lost:
        return Evidence(f"{loss.tag} becomes NaN or infinite", signal=loss.tag, step=loss.last_step)
    if early.blew_up(limits):
        return Evidence(
            f"{loss.tag} rises from {loss.first:.3g} to {loss.early_peak:.3g} in the first steps",
            signal=loss.tag,
            value=loss.early_peak,
            threshold=limits["blow_up_factor"] * loss.first,
            step=loss.early_peak_step,
        )
    if early.fell_back(limits):
        return fallen_back(loss, limits)
    if early.collapse is not None and early.collapsed(limits):
        return early.collapse.evidence[0]
    if max(loss.gained, loss.gained_since_settled) < limits["smallest_gain"]:
        return Evidence(
            f"{loss.tag} does not get below where it began: {loss.start:.4g} at first, {loss.end:.4g} at the end",
            signal=loss.tag,
            value=loss.gained,
            threshold=limits["smallest_gain"],
            step=loss.last_step,
        )
    return None


def _evidence(early: EarlyOvershoot, limits: Mapping[str, float]) -> Iterator[Evidence]:
    yield Evidence(
        f"the update of the median weight matrix is {early.ratio:.2g} of its size at step {early.ratio_step:,}",
        signal=early.ratio_tag,
        value=early.ratio,
        threshold=limits["fastest_ratio"],
        step=early.ratio_step,
    )
    if not np.isnan(early.growth):
        yield Evidence(
            f"its norm grows to {early.growth:.3g} times its first one in the first tenth of the run",
            value=early.growth,
            threshold=limits["largest_growth"],
        )
