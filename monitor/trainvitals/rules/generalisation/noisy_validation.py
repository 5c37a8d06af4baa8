"""GEN007: the validation loss is too noisy to show what training gains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.maths.noise import difference_noise_sd
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_VALIDATIONS = 10
LATE_SHARE = 0.5
GAIN_TO_SEE = 0.01
"""Of the level: a gain that one would like to see from one validation to the next."""

SMALLEST_LEVEL = 1e-3
"""Of the noise. No share of a level that is all but zero tells anything."""

NOTED = 0.8


@dataclass(frozen=True, slots=True)
class Noise:
    """The second half of a validation loss.

    Args:
        level, noise: its median, and the standard deviation of one point. gain: from its first to its last half.
    """

    tag: str
    level: float
    noise: float
    gain: float
    first_step: int
    last_step: int


class NoisyValidation(Rule[Noise]):
    """The validation loss is so noisy that a single value says little.

    What it finds
    -------------
    As an information: a validation loss whose noise from one value to the next is larger than what it gained over the
    second half of the run, and how many times as many examples would make a gain of 1 % visible.

    Why it matters
    --------------
    Early stopping, the choice of the best checkpoint and the comparison of two runs go by single values. With such
    noise they go by luck.

    How it is detected
    ------------------
    The second half of the validation loss: the noise of one value is estimated from second differences, which a trend
    hardly enters; the gain is the difference of the medians of the two quarters. Found is a noise of at least
    `smallest_noise` of the level that is larger than the gain. Noise falls with the root of the number of examples.

    False alarms
    ------------
    The same examples at every evaluation make the noise from checkpoint to checkpoint smaller than that from set to
    set; weights that swing, as at a high learning rate, make it larger, whatever the number of examples.

    What to try
    -----------
    Validate on more examples, always the same ones; average the last few values before deciding; average weights.

    Sources
    -------
    Standard error of a mean. Heineman et al. 2025, "Signal and noise", on choosing by noisy evaluations.
    """

    code = "GEN007"
    name = "noisy-validation"
    summary = "The validation loss is too noisy to show what training gains."
    reads = ("val_loss",)
    thresholds = (
        Threshold(
            "smallest_noise",
            0.03,
            "Of the level, for one value: three times the gain that one would like to see.",
            "convention",
        ),
    )
    interventions = ("fixed-probe-set",)

    def measure(self, view: RunView) -> Noise | NotEnough:
        loss = view.val_loss
        if not view.signals.supervised:
            return NotEnough()
        if loss is None:
            return NotEnough(("val_loss",), logging_lines.VALIDATION_LOSS)
        if len(loss) < MINIMUM_VALIDATIONS:
            return NotEnough((f"val_loss at {MINIMUM_VALIDATIONS} steps or more",), "validate more often")
        late = loss.curve.take(slice(int(LATE_SHARE * len(loss)), None))
        value = np.asarray(late.value, dtype=np.float64)
        half = len(value) // 2
        return Noise(
            tag=loss.tag,
            level=abs(float(np.median(value))),
            noise=difference_noise_sd(value),
            gain=float(np.median(value[:half]) - np.median(value[half:])),
            first_step=int(late.step[0]),
            last_step=int(late.step[-1]),
        )

    def judge(self, measurement: Noise, limits: Mapping[str, float]) -> list[Finding]:
        level, noise, gain = measurement.level, measurement.noise, measurement.gain
        if not level > SMALLEST_LEVEL * noise or noise < limits["smallest_noise"] * level or noise <= gain:
            return []
        times = (noise / (GAIN_TO_SEE * level)) ** 2
        about = float(f"{times:.2g}")
        return [
            self.finding(
                Severity.INFO,
                NOTED,
                f"{measurement.tag} varies by {noise / level:.1%} from one value to the next, more than it gained; "
                f"about {about:,.15g} times as many examples would show a gain of {GAIN_TO_SEE:.0%}",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=(
                    Evidence(
                        f"one value has a noise of {noise:.2g} at a level of {level:.3g}; "
                        f"the second half gained {gain:.2g}",
                        signal=measurement.tag,
                        value=noise / level,
                        threshold=limits["smallest_noise"],
                    ),
                ),
            )
        ]
