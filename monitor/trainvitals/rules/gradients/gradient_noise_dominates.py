"""GRD004: the gradient of a batch is mostly noise, and the loss stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainvitals.model import Evidence, Finding, Reason, Severity, Verdict
from trainvitals.rules.gradients.noise_and_batch import BATCH_LINE, READS, NoiseAndBatch, noise_and_batch
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

CONFIDENCE = {"measured": 0.8, "cosine": 0.6, "proxy": 0.3}
"""The proxy also grows where gradients become small and stay useful; of healthy runs it says a hundred and more."""


@dataclass(frozen=True, slots=True)
class NoiseAtRest:
    """How noisy the gradient is, and what the loss does meanwhile.

    Args:
        noise: beside the batch. verdict: on the progress of the loss, with its reason. loss_tag: which loss.
        rate_left: the last learning rate over the largest; None where none was logged.
        since_step: where the loss came to rest, where that is known.
    """

    noise: NoiseAndBatch
    verdict: Verdict
    reason: Reason | None
    loss_tag: str | None
    rate_left: float | None
    since_step: int | None


class GradientNoiseDominates(Rule[NoiseAtRest]):
    """The batch is so small that steps mostly cancel each other, and at this rate the loss gets no further.

    What it finds
    -------------
    Trainings that stand still while the noise of a batch's gradient is many times the gradient itself and the learning
    rate is still open.

    Why it matters
    --------------
    At a constant rate the noise of the steps keeps the loss above what the model could reach. A larger batch or a
    smaller rate lowers it at once; a larger model or more epochs do not.

    How it is detected
    ------------------
    The gradient noise scale (the batch size at which half of a step is noise) over the batch size, in the second half
    of the run. It is measured from gradients of two batch sizes where gradients are accumulated or exchanged. Else it
    follows from the cosine c of successive gradients as 1/c - 1, with c taken two standard errors higher; else Adam's
    moments give a rough guess. A finding needs `smallest_ratio`, a learning rate above `smallest_rate` of its peak, and
    a loss that does not progress.

    It is a warning only where the scale was measured and the loss is on a plateau: a noise floor looks the same from
    the other signals, and only a trial tells them apart.

    False alarms
    ------------
    Late in any training the gradient is mostly noise, and the decay of the rate deals with it: with a loss that falls,
    or a rate that has decayed, nothing is said. Targets with noise of their own keep a loss from falling further.

    What to try
    -----------
    Bring the learning rate down to a third over a tenth of the run; average over more batches, up to the noise scale;
    average the weights.

    Sources
    -------
    McCandlish et al. 2018, "An empirical model of large-batch training": at a batch of a fifth of the noise scale, five
    sixths of the progress of a step are lost. The way from the cosine to the ratio is ours.
    """

    code = "GRD004"
    name = "gradient-noise-dominates"
    summary = "The gradient of a batch is mostly noise, and the loss stands still."
    reads = (*READS, "train_loss", "val_loss", "learning_rate")
    thresholds = (
        Threshold(
            "smallest_ratio",
            5.0,
            "Noise scale over batch: five sixths of the progress of a step are lost to noise from there on.",
            "McCandlish et al. 2018, equation 2.11",
        ),
        Threshold(
            "smallest_rate",
            0.3,
            "Of the peak of the rate: below it the decay already takes the noise out.",
            "convention: a third",
        ),
        Threshold(
            "negligible_ratio",
            0.2,
            "Noise scale over batch that rules noise out as a cause.",
            "McCandlish et al. 2018: at a fifth, a sixth of a step is lost",
        ),
    )
    interventions = ("anneal-learning-rate", "raise-batch-size", "average-weights")

    def measure(self, view: RunView) -> NoiseAtRest | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        noise, rate, progress = noise_and_batch(view), view.learning_rate, view.progress
        if noise is None:
            return NotEnough(("gradient_noise_scale",), BATCH_LINE)
        peak = 0.0 if rate is None else float(rate.value.max())
        return NoiseAtRest(
            noise=noise,
            verdict=progress.verdict,
            reason=progress.reason,
            loss_tag=progress.signal,
            rate_left=float(rate.value[-1]) / peak if rate is not None and peak > 0 else None,
            since_step=progress.since_step,
        )

    def judge(self, measurement: NoiseAtRest, limits: Mapping[str, float]) -> list[Finding]:
        noise = measurement.noise
        rests = measurement.verdict is Verdict.PLATEAU and measurement.reason is not Reason.SCHEDULE_END
        noisy = measurement.verdict is Verdict.INCONCLUSIVE and measurement.reason is Reason.NOISE_LIMITED
        rate = measurement.rate_left
        if noise.ratio < limits["smallest_ratio"] or not (rests or noisy):
            return []
        if rate is not None and rate < limits["smallest_rate"]:
            return []
        certain = noise.source == "measured" and rests and measurement.reason is not Reason.CONVERGED
        evidence = [
            Evidence(
                noise.text,
                signal=noise.tag,
                value=noise.ratio,
                threshold=limits["smallest_ratio"],
                step=noise.first_step,
            ),
            Evidence(
                f"{measurement.loss_tag} {'is on a plateau' if rests else 'does not progress beyond its noise'}",
                signal=measurement.loss_tag,
            ),
        ]
        if rate is not None:
            text = f"the learning rate is still at {rate:.0%} of its peak"
            evidence.append(Evidence(text, value=rate, threshold=limits["smallest_rate"]))
        batch = "" if noise.batch is None else f" of {noise.batch:,.0f}"
        begin = noise.first_step if measurement.since_step is None else measurement.since_step
        return [
            self.finding(
                Severity.WARNING if certain else Severity.INFO,
                CONFIDENCE[noise.source],
                f"the gradient of a batch{batch} is mostly noise, and the loss stands still",
                first_step=min(begin, noise.last_step),
                last_step=noise.last_step,
                evidence=tuple(evidence),
            )
        ]

    def rule_out(self, measurement: NoiseAtRest, limits: Mapping[str, float]) -> Evidence | None:
        noise = measurement.noise
        if noise.source != "measured" or noise.largest >= limits["negligible_ratio"]:
            return None
        return Evidence(noise.text, signal=noise.tag, value=noise.ratio, threshold=limits["negligible_ratio"])
