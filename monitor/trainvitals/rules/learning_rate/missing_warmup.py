"""LRS004: a transformer under Adam begins at its full learning rate, and its first steps throw it off."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.learning_rate.early_overshoot import (
    BLOW_UP_FACTOR,
    FASTEST_RATIO,
    LARGEST_GROWTH,
    READS,
    EarlyOvershoot,
    early_overshoot,
    fallen_back,
)
from trainvitals.rules.rule import NotEnough, Rule
from trainvitals.rules.updates.outcome import Outcome
from trainvitals.view import RunView


class MissingWarmup(Rule[EarlyOvershoot]):
    """A transformer under Adam begins at its full learning rate, and its first steps throw it off.

    What it finds
    -------------
    A network with attention, trained with Adam or a relative, whose learning rate is high from the first step on,
    whose first updates are a tenth of the weights or more, and whose loss blows up or whose attention collapses in the
    first steps.

    Why it matters
    --------------
    At first Adam knows the size of the gradient from one or two batches, so that every weight moves by the full rate,
    and attention sits where the loss is steepest. What is thrown off there seldom comes back to where a warmed-up
    training would be.

    How it is detected
    ------------------
    The first logged rate is at least half of the highest in the first tenth of the run; the median weight matrix is
    updated by `fastest_ratio` of its size or more, but less than its whole size; and the running median of the
    loss rises above its first value by `blow_up_factor` and six standard deviations of its noise within the first
    tenth of its points; or the loss ends as far above where it was for a while in that tenth. Or the norms grow by
    `largest_growth` there, and a layer's attention collapses, as `attention-collapse` has it. Attention is recognised
    by the names of the layers.

    False alarms
    ------------
    A run without a warm-up whose loss simply falls is fine and not reported, and neither are plain SGD, convolutions
    and recurrent networks. Where single updates are as large as the weights no warm-up would help: that is
    `learning-rate-too-high`. A run that continues from a checkpoint begins at its full rate on purpose, and with small
    updates.

    What to try
    -----------
    Warm the rate up over the first 2 % of the run or more; or a third of the rate.

    Sources
    -------
    Liu et al. 2020, "On the variance of the adaptive learning rate and beyond"; Xiong et al. 2020, "On layer
    normalization in the transformer architecture"; Gilmer et al. 2022. The limits are those of learning-rate-too-high.
    """

    code = "LRS004"
    name = "missing-warmup"
    summary = "A transformer under Adam begins at its full learning rate, and its first steps throw it off."
    reads = READS
    thresholds = (FASTEST_RATIO, BLOW_UP_FACTOR, LARGEST_GROWTH)
    absorbs = (
        "diverging-loss",
        "non-finite-loss",
        "loss-spikes",
        "plateau",
        "not-learning",
        "exploding-gradients",
        "vanishing-gradients",
        "dead-units",
        "saturated-activations",
        "representation-collapse",
        "attention-collapse",
        "attention-logit-growth",
        "output-logit-drift",
        "updates-too-large",
    )
    interventions = ("longer-warmup", "lower-learning-rate", "clip-gradients")

    def measure(self, view: RunView) -> EarlyOvershoot | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        early = early_overshoot(view)
        if early is None:
            return NotEnough(("update_ratio of each layer",), logging_lines.WATCH)
        if early.warmed_up is None:
            return NotEnough(("learning_rate",), logging_lines.LEARNING_RATE)
        return early

    def judge(self, measurement: EarlyOvershoot, limits: Mapping[str, float]) -> list[Finding]:
        loss = measurement.outcome
        if loss is None or not measurement.for_want_of_warm_up(limits):
            return []
        blew_up, collapse = measurement.blew_up(limits), measurement.collapse
        fell_back = fallen_back(loss, limits) if measurement.fell_back(limits) and not blew_up else None
        if fell_back is not None:
            harm = fell_back.text
        elif blew_up or collapse is None:
            harm = f"{loss.tag} rises from {loss.first:.3g} to {loss.early_peak:.3g} in the first steps"
        else:
            harm = collapse.summary
        return [
            self.finding(
                Severity.WARNING,
                0.85 if blew_up else 0.75,
                f"the rate is high from the first step on, and {harm}",
                first_step=measurement.first_step,
                last_step=loss.last_step,
                evidence=(
                    Evidence(
                        f"the update of the median weight matrix is {measurement.ratio:.2g} of its size at step "
                        f"{measurement.ratio_step:,}",
                        signal=measurement.ratio_tag,
                        value=measurement.ratio,
                        threshold=limits[FASTEST_RATIO.name],
                        step=measurement.ratio_step,
                    ),
                    *(() if not blew_up else (_rise(loss, limits),)),
                    *(() if fell_back is None else (fell_back,)),
                    *(() if collapse is None else collapse.evidence),
                ),
            )
        ]


def _rise(loss: Outcome, limits: Mapping[str, float]) -> Evidence:
    return Evidence(
        f"{loss.tag} is {loss.early_peak:.4g} at step {loss.early_peak_step:,}, above its first value {loss.first:.4g}",
        signal=loss.tag,
        value=loss.early_peak,
        threshold=limits[BLOW_UP_FACTOR.name] * loss.first,
        step=loss.early_peak_step,
    )
