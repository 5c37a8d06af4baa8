"""GRD005: a smaller batch would make nearly the same step."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.gradients.noise_and_batch import BATCH_LINE, READS, NoiseAndBatch, noise_and_batch
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView


class BatchLargerThanNeeded(Rule[NoiseAndBatch]):
    """The batch is so large that the noise of its gradient no longer matters, and most of its examples add nothing.

    What it finds
    -------------
    Trainings whose batch is many times the gradient noise scale throughout their second half, and the size that would
    do.

    Why it matters
    --------------
    Up to the noise scale, twice the batch saves nearly half of the steps. Beyond, it saves nothing and costs twice the
    computation a step.

    How it is detected
    ------------------
    The noise scale, measured from gradients of two batch sizes, over the samples of a step. It must be below
    `largest_ratio` at every record of the second half of the run. Nothing is concluded from proxies. It is an
    information: where steps on many devices are as fast as on one, the batch costs no time.

    False alarms
    ------------
    Micro-batches of related examples (pieces of one document) hide noise that the batch has. Early in a training the
    noise scale is small and grows.

    What to try
    -----------
    A smaller batch with the same learning rate, as a trial; fewer accumulated batches first.

    Sources
    -------
    McCandlish et al. 2018, "An empirical model of large-batch training", section 2 and appendix A.1.
    """

    code = "GRD005"
    name = "batch-larger-than-needed"
    summary = "A smaller batch would make nearly the same step."
    reads = READS
    thresholds = (
        Threshold(
            "largest_ratio",
            0.2,
            "Noise scale over batch: at a fifth, half of the batch would lose less than a sixth of a step's progress.",
            "McCandlish et al. 2018, equation 2.11",
        ),
    )
    interventions = ("smaller-batch",)

    def measure(self, view: RunView) -> NoiseAndBatch | NotEnough:
        noise = noise_and_batch(view) if view.signals.supervised else None
        if noise is None or noise.source != "measured":
            return NotEnough(("gradient_noise_scale",), BATCH_LINE) if view.signals.supervised else NotEnough()
        return noise

    def judge(self, measurement: NoiseAndBatch, limits: Mapping[str, float]) -> list[Finding]:
        if measurement.largest >= limits["largest_ratio"] or measurement.batch is None:
            return []
        return [
            self.finding(
                Severity.INFO,
                0.8,
                f"a batch of {measurement.batch:,.0f} is {1 / max(measurement.ratio, 1e-9):,.0f} times what its noise "
                "asks for",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=(
                    Evidence(
                        measurement.text,
                        signal=measurement.tag,
                        value=measurement.ratio,
                        threshold=limits["largest_ratio"],
                        step=measurement.first_step,
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: NoiseAndBatch, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.ratio < limits["largest_ratio"]:
            return None
        return Evidence(
            measurement.text, signal=measurement.tag, value=measurement.ratio, threshold=limits["largest_ratio"]
        )
